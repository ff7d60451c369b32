/* Kinds of sensors and waveforms that accuracy is judged on, and recordings of them. */
#ifndef ACCURACY_KINDS_H
#define ACCURACY_KINDS_H

#include "virtual.h"

typedef struct kind {
    const char *name;
    const char *board; /* simulated model */
    uint32_t sensors;
    int64_t poll_ns;
    double refresh_s; /* W where that is longer */
    bool contiguous;  /* sees all of the time */
    bool part_time;   /* sees a share of it only */
    bool ranges;      /* the load's own edges are known */
} kind;

/* A seventh, "step", rises when a command begins and never falls. */
enum { KINDS = 12, WAVEFORMS = 6 };
extern const kind kinds[KINDS];
extern const char *const waveforms[WAVEFORMS];

/* No software can tell a load that keeps step with a part-time sensor from a steady one, unless it
 * is told when the load ran: these are shown, and kept out of what is claimed. */
bool kind_unknowable(const kind *k, const char *waveform);

/* One of `boards` boards, 76 s from board time 5 s on. */
typedef struct trial {
    jm_recording *recording;
    struct simgpu_board *board;
    double gain, offset_w; /* of its sensors */
    char load[128];        /* the waveform with its numbers */
    uint64_t random;       /* goes on from here */
} trial;

enum { TRIAL_BEGIN_S = 5, TRIAL_LENGTH_S = 76 };

/* Gains N(1, 3 %) and offsets N(0, 4 W), spread over the boards as the normal distribution has it.
 * Levels, period and phase of the load are random. */
void trial_open(trial *t, const kind *k, const char *waveform, size_t index, size_t boards);
/* The same board recorded for so long only, from a moment at which `command_s` begins some
 * milliseconds later, as `joulemeter run` does. */
void trial_open_command(trial *t, const kind *k, const char *waveform, size_t index, size_t boards,
                        double command_s, jm_window *command);
void trial_close(trial *t);
/* Exact energy, and what a perfect reader of this board's sensors would get. */
double trial_truth(const trial *t, const jm_window *window);
double trial_seen(const trial *t, double truth_j, double duration_s);

#endif
