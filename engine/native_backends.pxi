# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
# The back ends that are compiled in.
from libcpp.memory cimport shared_ptr
from libcpp.string cimport string
from libcpp.utility cimport pair
from libcpp.vector cimport vector

from native_backends cimport (
    COnnxModel,
    COnnxRuntime,
    IdentityOptions,
    OnnxModelOptions,
    OnnxProvider,
    OnnxRuntimeOptions,
    OnnxTensorInfo,
    c_check_identity_plan,
    c_make_identity_instance,
    create_onnx_instance,
    load_onnx_model,
    open_onnx_runtime,
    type_of_info,
)
from status cimport Status


def make_identity_instance(*, double execute_delay_ms=0.0):
    cdef IdentityOptions options
    options.execute_delay_ms = execute_delay_ms
    cdef NativeInstance instance = NativeInstance()
    instance.instance = c_make_identity_instance(options)
    return instance


def check_identity_plan(ModelPlan plan not None):
    check(c_check_identity_plan(deref(plan.plan)))


cdef OnnxProvider onnx_provider(str name, dict options):
    cdef OnnxProvider provider
    cdef pair[string, string] option
    provider.name = name.encode()
    for key, value in options.items():
        option.first = (<str?>key).encode()
        option.second = (<str?>value).encode()
        provider.options.push_back(option)
    return provider


cdef class OnnxRuntime:
    cdef shared_ptr[COnnxRuntime] runtime

    def __init__(
        self,
        str library not None,
        *,
        int intra_op_threads=0,
        int inter_op_threads=0,
        bint global_thread_pool=False,
    ):
        cdef OnnxRuntimeOptions options
        options.library = library.encode()
        options.intra_op_threads = intra_op_threads
        options.inter_op_threads = inter_op_threads
        options.global_thread_pool = global_thread_pool
        check(open_onnx_runtime(options, self.runtime))

    @property
    def version(self):
        return self.runtime.get().version().decode()

    def check_provider(self, str name not None, dict options not None):
        cdef OnnxProvider provider = onnx_provider(name, options)
        cdef Status status
        with nogil:  # it may load a library
            status = self.runtime.get().check_provider(provider)
        check(status)


cdef list tensor_infos(const vector[OnnxTensorInfo]& infos):
    return [
        (
            infos[i].name.decode(),
            type_of_info(infos[i]),
            shape_tuple(infos[i].dims) if infos[i].rank_known else None,
        )
        for i in range(infos.size())
    ]


cdef class OnnxModel:
    cdef shared_ptr[COnnxModel] model

    def __init__(
        self,
        OnnxRuntime runtime not None,
        str path not None,
        dict options not None,
        providers=(),
    ):
        cdef OnnxModelOptions native
        cdef string c_path = path.encode()
        cdef Status status
        for key, value in options.items():
            check(native.set((<str?>key).encode(), str(value).encode()))
        for name, settings in providers:
            native.providers.push_back(onnx_provider(name, settings))
        with nogil:
            status = load_onnx_model(runtime.runtime, c_path, native, self.model)
        check(status)

    @property
    def inputs(self):
        return tensor_infos(self.model.get().inputs())

    @property
    def outputs(self):
        return tensor_infos(self.model.get().outputs())

    def create_instance(self, ModelPlan plan not None):
        cdef NativeInstance instance = NativeInstance()
        cdef Status status
        with nogil:
            status = create_onnx_instance(deref(self.model), deref(plan.plan), instance.instance)
        check(status)
        return instance
