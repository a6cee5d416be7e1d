// SPDX-License-Identifier: Apache-2.0
// Copyright (c) 2026 The Penstock Authors
//
// A management library with FAKE_NVML_GPUS devices. Device 1 has no sensor of energy. Errors by
// number: FAKE_NVML_INIT_ERROR, and FAKE_NVML_LOST names a device that is lost.
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

enum { kNotSupported = 3, kLost = 15 };

static int number(const char* name, int otherwise) {
  const char* text = getenv(name);
  return text != NULL ? atoi(text) : otherwise;
}

static int index_of(void* device) { return (int)(intptr_t)device - 1; }

int nvmlInit_v2(void) { return number("FAKE_NVML_INIT_ERROR", 0); }

int nvmlDeviceGetCount_v2(unsigned* count) {
  *count = (unsigned)number("FAKE_NVML_GPUS", 0);
  return 0;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, void** device) {
  *device = (void*)(intptr_t)(index + 1);
  return (int)index == number("FAKE_NVML_LOST", -1) ? kLost : 0;
}

int nvmlDeviceGetUUID(void* device, char* uuid, unsigned length) {
  snprintf(uuid, length, "GPU-%d", index_of(device));
  return 0;
}

int nvmlDeviceGetUtilizationRates(void* device, unsigned* percent) {
  percent[0] = 25u * (unsigned)(index_of(device) + 1);
  percent[1] = 0;
  return 0;
}

int nvmlDeviceGetMemoryInfo(void* device, unsigned long long* bytes) {
  bytes[0] = 8ull << 30;
  bytes[1] = 6ull << 30;
  bytes[2] = bytes[0] - bytes[1];
  (void)device;
  return 0;
}

int nvmlDeviceGetPowerUsage(void* device, unsigned* milliwatts) {
  (void)device;
  *milliwatts = 125500;
  return 0;
}

int nvmlDeviceGetPowerManagementLimit(void* device, unsigned* milliwatts) {
  (void)device;
  *milliwatts = 300000;
  return 0;
}

int nvmlDeviceGetTotalEnergyConsumption(void* device, unsigned long long* millijoules) {
  static unsigned long long total = 5000000;
  if (index_of(device) == 1) return kNotSupported;
  *millijoules = total;
  total += 1500;
  return 0;
}

const char* nvmlErrorString(int code) { return code == 9 ? "Driver Not Loaded" : "Other"; }
