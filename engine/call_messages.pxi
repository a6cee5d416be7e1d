# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The Penstock Authors
# What a call of a model says and what it is answered, between `model.py`'s objects and messages.
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.unicode cimport PyUnicode_AsUTF8AndSize, PyUnicode_DecodeUTF8

from calls cimport CCallRequest, CCallResponse, CCallTensor, string_view
from request cimport Parameter
from tensor cimport byte


cdef int take_text(object text, str what, string_view& out) except -1:
    cdef Py_ssize_t size = 0
    cdef const char* data
    if not isinstance(text, str):
        raise TypeError(f"{what} of a BLS request must be a str, found {type(text)}")
    data = PyUnicode_AsUTF8AndSize(text, &size)
    out = string_view(data, <size_t>size)
    return 0


# Everything of the message; what it borrows stays while the request is as it is, and `kept` is.
cdef int fill_call(
    ModelRequest request, dict parameters, CCallRequest& call, list kept
) except -1:
    cdef tuple outputs = request._requested_output_names
    cdef tuple names = (request._model_name, request._request_id)
    cdef tuple tensors = request.tensors
    cdef Py_ssize_t i
    kept.extend((outputs, names, tensors))
    take_text(names[0], "the model_name", call.model)
    take_text(names[1], "the request_id", call.id)
    call.version = request._model_version
    link = request._trace._link
    if link is not None:
        call.trace = (<TraceLink?>link).link
    call.outputs.resize(len(outputs))
    for i in range(len(outputs)):
        take_text(outputs[i], "a requested output", call.outputs[i])
    call.inputs.resize(len(tensors))
    for i in range(len(tensors)):
        fill_input(<ModelTensor>tensors[i], call.inputs[i], kept)
    if parameters:
        fill_parameters(parameters, call)
    return 0


cdef int fill_input(ModelTensor tensor, CCallTensor& call_input, list kept) except -1:
    cdef bytes strings
    cdef cnp.ndarray array
    tensor.check_made()
    take_text(tensor._name, "an input's name", call_input.name)
    kept.append(tensor._name)
    if tensor.array is None:
        call_input.view = tensor.received.view
        if device_of(tensor.received.view) >= 0:
            strings = bytes_on_host(call_input.view)
            kept.append(strings)
            call_input.view.data = <const byte*>PyBytes_AS_STRING(strings)
        else:
            kept.append(tensor.received)
        return 0
    array = <cnp.ndarray>tensor.array
    kept.append(array)
    set_type(call_input.view, type_of_array(array))
    fill_dims(call_input.view.shape, array)
    if type_of_array(array) == BYTES_TYPE:
        strings = join_strings(array.ravel())
        kept.append(strings)
        call_input.view.data = <const byte*>PyBytes_AS_STRING(strings)
        call_input.view.size_bytes = PyBytes_GET_SIZE(strings)
    else:
        call_input.view.data = <const byte*>cnp.PyArray_BYTES(array)
        call_input.view.size_bytes = cnp.PyArray_NBYTES(array)
    return 0


cdef int fill_parameters(dict parameters, CCallRequest& call) except -1:
    cdef Parameter parameter
    for name, value in parameters.items():
        try:
            set_value(parameter, value)
        except OverflowError:
            raise InvalidArgError(
                f"parameter '{name}' of a BLS request is {value}, which does not fit 64 bits"
            ) from None
        parameter.name = utf8(name)
        call.parameters.push_back(parameter)
    return 0


# Its tensors have memory of their own: nothing refers to the message.
cdef ModelResponse answered(type response_type, type tensor_type, CCallResponse& said):
    cdef ModelResponse response = <ModelResponse?>bare(response_type)
    cdef Py_ssize_t count = <Py_ssize_t>said.outputs.size()
    cdef tuple tensors = PyTuple_New(count)
    cdef ModelTensor tensor
    cdef Py_ssize_t i
    for i in range(count):
        tensor = own_tensor(tensor_type, said.outputs[i])
        Py_INCREF(tensor)  # the tuple takes it over
        PyTuple_SET_ITEM(tensors, i, tensor)
    response.tensors = tensors
    response._parameters = {
        said.parameters[i].name.decode("utf-8", "replace"): parameter_value(said.parameters[i])
        for i in range(<Py_ssize_t>said.parameters.size())
    }
    return response


# An array at once: the bytes have to be copied anyway.
cdef ModelTensor own_tensor(type tensor_type, CCallTensor& output):
    cdef ModelTensor tensor = <ModelTensor?>bare(tensor_type)
    cdef Py_ssize_t size_bytes = output.view.size_bytes
    cdef bytes data
    tensor._name = PyUnicode_DecodeUTF8(
        <char*>output.name.data(), <Py_ssize_t>output.name.size(), "replace"
    )
    tensor.array = array_of(output.view)
    if tensor.array is None:  # numpy has none of its type, or strings
        data = PyBytes_FromStringAndSize(NULL, size_bytes)
        copy_bytes(PyBytes_AS_STRING(data), chars(output.view), size_bytes)
        tensor.received = Tensor()
        tensor.received.view = output.view
        tensor.received.lease = lend_buffer(<PyObject*>data)
        point_at(tensor.received.view, tensor.received.lease, size_bytes)
    return tensor
