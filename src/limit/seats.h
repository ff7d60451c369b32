/* What one user may have of joulemeter-limitd, so that there is something for the others. */
#ifndef JMI_LIMIT_SEATS_H
#define JMI_LIMIT_SEATS_H

#include "base/base.h"

enum {
    JMI_SEATS = 64,           /* connections at a time */
    JMI_SEATS_OF_A_USER = 16, /* root has no such bound */
    JMI_SEATS_FOR_ROOT = 8,   /* kept free of others */
    JMI_SEATS_FOR_FIRST = 8,  /* kept free, besides, for users who have no connection yet */
    JMI_CHANGES_AT_ONCE = 128,
    JMI_CHANGES_A_SECOND = 16
};

typedef struct jmi_seat {
    uint32_t uid;
    bool lent; /* something was lent to it: it is not taken away */
    int64_t idle_since_ns;
} jmi_seat;

enum { JMI_SEAT_FREE = -1, JMI_SEAT_NONE = -2 };

/* Is there a seat for one more connection of a user? JMI_SEAT_FREE, JMI_SEAT_NONE, or the index of
 * the one that has to make room: the idlest of the user who has most. */
int jmi_seat_for(const jmi_seat *seats, size_t count, uint32_t uid);

/* How many changes each user may still ask for: a bucket that fills by itself. Zeroed: full. */
typedef struct jmi_changes {
    struct {
        uint32_t uid;
        double spent;
        int64_t t_ns;
    } of[JMI_SEATS];
    size_t count;
} jmi_changes;

/* False: this user has asked for too many lately. Root has not. */
bool jmi_changes_take(jmi_changes *changes, uint32_t uid, int64_t now_ns);

#endif
