/* SPDX-License-Identifier: MIT */
/* Every entry of the simulated libnvidia-ml.so.1, under its name in NVML's interface. */
#ifndef SIMGPU_NVML_ENTRIES_H
#define SIMGPU_NVML_ENTRIES_H

#include "nvml_abi.h"

/* nvml_system.c: the library */
nvml_result nvmlInit(void);
nvml_result nvmlInit_v2(void);
nvml_result nvmlInitWithFlags(unsigned int flags);
nvml_result nvmlShutdown(void);
const char *nvmlErrorString(nvml_result result);
nvml_result nvmlSystemGetDriverVersion(char *version, unsigned int length);
nvml_result nvmlSystemGetNVMLVersion(char *version, unsigned int length);
nvml_result nvmlSystemGetCudaDriverVersion(int *version);
nvml_result nvmlSystemGetCudaDriverVersion_v2(int *version);
nvml_result nvmlSystemGetProcessName(unsigned int pid, char *name, unsigned int length);
nvml_result nvmlDeviceGetCount(unsigned int *count);
nvml_result nvmlDeviceGetCount_v2(unsigned int *count);

/* nvml_identity.c: which board */
nvml_result nvmlDeviceGetHandleByIndex(unsigned int index, nvml_device *device);
nvml_result nvmlDeviceGetHandleByIndex_v2(unsigned int index, nvml_device *device);
nvml_result nvmlDeviceGetHandleByUUID(const char *uuid, nvml_device *device);
nvml_result nvmlDeviceGetHandleByPciBusId(const char *bus_id, nvml_device *device);
nvml_result nvmlDeviceGetHandleByPciBusId_v2(const char *bus_id, nvml_device *device);
nvml_result nvmlDeviceGetHandleBySerial(const char *serial, nvml_device *device);
nvml_result nvmlDeviceGetName(nvml_device device, char *name, unsigned int length);
nvml_result nvmlDeviceGetUUID(nvml_device device, char *uuid, unsigned int length);
nvml_result nvmlDeviceGetSerial(nvml_device device, char *serial, unsigned int length);
nvml_result nvmlDeviceGetVbiosVersion(nvml_device device, char *version, unsigned int length);
nvml_result nvmlDeviceGetIndex(nvml_device device, unsigned int *index);
nvml_result nvmlDeviceGetMinorNumber(nvml_device device, unsigned int *minor);
nvml_result nvmlDeviceGetBrand(nvml_device device, unsigned int *brand);
nvml_result nvmlDeviceGetArchitecture(nvml_device device, unsigned int *architecture);
nvml_result nvmlDeviceGetNumGpuCores(nvml_device device, unsigned int *cores);
nvml_result nvmlDeviceGetCudaComputeCapability(nvml_device device, int *major, int *minor);
nvml_result nvmlDeviceGetPciInfo(nvml_device device, void *pci);
nvml_result nvmlDeviceGetPciInfo_v2(nvml_device device, void *pci);
nvml_result nvmlDeviceGetPciInfo_v3(nvml_device device, struct nvml_pci_info *pci);

/* nvml_power.c: power, energy, limits */
nvml_result nvmlDeviceGetPowerUsage(nvml_device device, unsigned int *power_mw);
nvml_result nvmlDeviceGetTotalEnergyConsumption(nvml_device device, unsigned long long *energy_mj);
nvml_result nvmlDeviceGetPowerManagementLimit(nvml_device device, unsigned int *limit_mw);
nvml_result nvmlDeviceGetEnforcedPowerLimit(nvml_device device, unsigned int *limit_mw);
nvml_result nvmlDeviceGetPowerManagementDefaultLimit(nvml_device device, unsigned int *limit_mw);
nvml_result nvmlDeviceGetPowerManagementLimitConstraints(nvml_device device, unsigned int *min_mw,
                                                         unsigned int *max_mw);
nvml_result nvmlDeviceSetPowerManagementLimit(nvml_device device, unsigned int limit_mw);
nvml_result nvmlDeviceSetGpuLockedClocks(nvml_device device, unsigned int min_mhz,
                                         unsigned int max_mhz);
nvml_result nvmlDeviceResetGpuLockedClocks(nvml_device device);
nvml_result nvmlDeviceGetPowerManagementMode(nvml_device device, unsigned int *mode);
nvml_result nvmlDeviceGetViolationStatus(nvml_device device, unsigned int policy,
                                         struct nvml_violation_time *time);

/* nvml_fields.c: fields and samples */
nvml_result nvmlDeviceGetFieldValues(nvml_device device, int count,
                                     struct nvml_field_value *fields);
nvml_result nvmlDeviceGetSamples(nvml_device device, unsigned int type,
                                 unsigned long long last_seen, int *value_type, unsigned int *count,
                                 struct nvml_sample *samples);

/* nvml_activity.c: what it is doing */
nvml_result nvmlDeviceGetUtilizationRates(nvml_device device, struct nvml_utilization *rates);
nvml_result nvmlDeviceGetEncoderUtilization(nvml_device device, unsigned int *utilisation,
                                            unsigned int *period_us);
nvml_result nvmlDeviceGetDecoderUtilization(nvml_device device, unsigned int *utilisation,
                                            unsigned int *period_us);
nvml_result nvmlDeviceGetMemoryInfo(nvml_device device, struct nvml_memory *memory);
nvml_result nvmlDeviceGetMemoryInfo_v2(nvml_device device, struct nvml_memory_v2 *memory);
nvml_result nvmlDeviceGetTemperature(nvml_device device, unsigned int sensor,
                                     unsigned int *temperature_c);
nvml_result nvmlDeviceGetTemperatureV(nvml_device device, struct nvml_temperature *temperature);
nvml_result nvmlDeviceGetFanSpeed(nvml_device device, unsigned int *speed_pct);
nvml_result nvmlDeviceGetClockInfo(nvml_device device, unsigned int type, unsigned int *mhz);
nvml_result nvmlDeviceGetMaxClockInfo(nvml_device device, unsigned int type, unsigned int *mhz);
nvml_result nvmlDeviceGetSupportedMemoryClocks(nvml_device device, unsigned int *count,
                                               unsigned int *mhz);
nvml_result nvmlDeviceGetSupportedGraphicsClocks(nvml_device device, unsigned int memory_mhz,
                                                 unsigned int *count, unsigned int *mhz);
nvml_result nvmlDeviceGetApplicationsClock(nvml_device device, unsigned int type,
                                           unsigned int *mhz);
nvml_result nvmlDeviceGetPerformanceState(nvml_device device, unsigned int *state);
nvml_result nvmlDeviceGetPowerState(nvml_device device, unsigned int *state);
nvml_result nvmlDeviceGetCurrentClocksThrottleReasons(nvml_device device,
                                                      unsigned long long *reasons);
nvml_result nvmlDeviceGetCurrentClocksEventReasons(nvml_device device, unsigned long long *reasons);
nvml_result nvmlDeviceGetSupportedClocksThrottleReasons(nvml_device device,
                                                        unsigned long long *reasons);
nvml_result nvmlDeviceGetSupportedClocksEventReasons(nvml_device device,
                                                     unsigned long long *reasons);
nvml_result nvmlDeviceGetPersistenceMode(nvml_device device, unsigned int *mode);
nvml_result nvmlDeviceGetComputeMode(nvml_device device, unsigned int *mode);
nvml_result nvmlDeviceGetPcieThroughput(nvml_device device, unsigned int counter,
                                        unsigned int *kb_per_s);

/* nvml_mig.c: instances and modules */
nvml_result nvmlDeviceGetMigMode(nvml_device device, unsigned int *current, unsigned int *pending);
nvml_result nvmlDeviceGetMaxMigDeviceCount(nvml_device device, unsigned int *count);
nvml_result nvmlDeviceGetMigDeviceHandleByIndex(nvml_device device, unsigned int index,
                                                nvml_device *mig);
nvml_result nvmlDeviceGetDeviceHandleFromMigDeviceHandle(nvml_device mig, nvml_device *device);
nvml_result nvmlDeviceIsMigDeviceHandle(nvml_device device, unsigned int *is_mig);
nvml_result nvmlDeviceGetGpuInstanceId(nvml_device device, unsigned int *id);
nvml_result nvmlDeviceGetComputeInstanceId(nvml_device device, unsigned int *id);
nvml_result nvmlDeviceGetC2cModeInfoV(nvml_device device, struct nvml_c2c_mode *mode);

/* nvml_process.c: who uses it */
nvml_result nvmlDeviceGetComputeRunningProcesses(nvml_device device, unsigned int *count,
                                                 void *infos);
nvml_result nvmlDeviceGetComputeRunningProcesses_v2(nvml_device device, unsigned int *count,
                                                    void *infos);
nvml_result nvmlDeviceGetComputeRunningProcesses_v3(nvml_device device, unsigned int *count,
                                                    void *infos);
nvml_result nvmlDeviceGetGraphicsRunningProcesses(nvml_device device, unsigned int *count,
                                                  void *infos);
nvml_result nvmlDeviceGetGraphicsRunningProcesses_v2(nvml_device device, unsigned int *count,
                                                     void *infos);
nvml_result nvmlDeviceGetGraphicsRunningProcesses_v3(nvml_device device, unsigned int *count,
                                                     void *infos);

#endif
