/* The ranges of a recording one by one, in their order, with energies that are asked for in blocks,
 * so that memory stays bounded. */
#ifndef JMI_REPORT_RANGE_READER_H
#define JMI_REPORT_RANGE_READER_H

#include "report/frame.h"

typedef struct jmi_range_reader {
    const jm_recording *recording;
    const jm_energy_options *options;
    uint64_t next, count; /* ranges */
    uint64_t first;       /* of the block */
    size_t length, capacity;
    const char **names; /* of all devices */
    uint32_t device_count;
    uint32_t
        *columns; /* whose energies a block has: those asked for, then devices that ran ranges */
    size_t column_count;
    jm_window *windows;
    jm_energy *energies; /* `capacity` for each column */
} jmi_range_reader;

/* The first `limit` ranges. `device`: whose energy a range of the host gets. `each`: devices whose
 * energies are wanted too. */
int jmi_range_reader_open(jmi_range_reader *reader, const jm_recording *recording, uint32_t device,
                          const uint32_t *each, size_t count, uint64_t limit,
                          const jm_energy_options *options, jm_error *error);
/* JM_NO_DATA: there are no more. */
int jmi_range_reader_next(jmi_range_reader *reader, jm_range *range, jm_error *error);
/* Of the last range: the device that ran it (UINT32_MAX: the host), its energy there, and on the
 * i-th of `each`. */
uint32_t jmi_range_reader_device(const jmi_range_reader *reader, const jm_range *range);
const jm_energy *jmi_range_reader_energy(const jmi_range_reader *reader, uint32_t device);
const jm_energy *jmi_range_reader_each(const jmi_range_reader *reader, size_t i);
void jmi_range_reader_close(jmi_range_reader *reader);

/* Energies of windows, also where nothing measures the device: then they are unknown. */
int jmi_energies_if_any(const jm_recording *recording, uint32_t device, const jm_window *windows,
                        size_t count, const jm_energy_options *options, jm_energy *out,
                        jm_error *error);
/* Is there an estimate, or at least a bound from readings? */
bool jmi_energy_known(const jm_energy *energy);
/* Puts energy_j, energy_u95_j and mean power into three columns, and whether it is a bound and its
 * provenance into two later ones. */
void jmi_put_energy(jmi_batch *batch, size_t column, size_t last_two, const jm_energy *e);

#endif
