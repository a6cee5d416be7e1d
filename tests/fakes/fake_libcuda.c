// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// A CUDA driver that has what the environment says: FAKE_CUDA_GPUS, a list of compute capabilities
// such as "7.5,3.7", and errors by number: FAKE_CUDA_INIT_ERROR, and FAKE_CUDA_NAME_ERROR of the
// device FAKE_CUDA_BAD_DEVICE.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int number(const char* name, int otherwise) {
  const char* text = getenv(name);
  return text != NULL ? atoi(text) : otherwise;
}

static const char* capability(int device) {
  const char* at = getenv("FAKE_CUDA_GPUS");
  while (at != NULL && *at != '\0' && device-- > 0) {
    at = strchr(at, ',');
    if (at != NULL) ++at;
  }
  return at != NULL && *at != '\0' ? at : NULL;
}

int cuInit(unsigned flags) { return flags == 0 ? number("FAKE_CUDA_INIT_ERROR", 0) : 1; }

int cuDeviceGetCount(int* count) {
  for (*count = 0; capability(*count) != NULL;) ++*count;
  return 0;
}

int cuDeviceGet(int* device, int ordinal) {
  *device = ordinal;
  return capability(ordinal) != NULL ? 0 : 101;
}

int cuDeviceGetName(char* name, int length, int device) {
  if (device == number("FAKE_CUDA_BAD_DEVICE", -1)) return number("FAKE_CUDA_NAME_ERROR", 999);
  snprintf(name, (size_t)length, "Fake GPU %d", device);
  return 0;
}

int cuDeviceGetUuid(unsigned char* uuid, int device) {
  for (int i = 0; i < 16; ++i) uuid[i] = (unsigned char)(device * 16 + i);
  return 0;
}

int cuDeviceTotalMem_v2(size_t* bytes, int device) {
  *bytes = (size_t)(device + 1) << 30;
  return 0;
}

int cuDeviceGetAttribute(int* value, int attribute, int device) {
  int major = 0, minor = 0;
  sscanf(capability(device), "%d.%d", &major, &minor);
  if (attribute != 75 && attribute != 76) return 1;
  *value = attribute == 75 ? major : minor;
  return 0;
}

int cuGetErrorString(int code, const char** text) {
  if (code == 999) return 1;
  *text = code == 100 ? "no CUDA-capable device is detected" : "some other error";
  return 0;
}
