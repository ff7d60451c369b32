#include "limit/seats.h"

#include <math.h>

/* ---- seats ---- */

static size_t seats_of(const jmi_seat *seats, size_t count, uint32_t uid) {
    size_t sum = 0;
    for (size_t i = 0; i < count; i++) sum += seats[i].uid == uid;
    return sum;
}

/* May the newcomer have this one's seat? Not if its user would have no more than the newcomer then,
 * and never one of root's, unless it is root's own. */
static bool may_take(const jmi_seat *seat, size_t of_its_user, uint32_t uid, size_t own) {
    if (seat->lent) return false;
    if (seat->uid == uid) return uid == 0;
    return seat->uid != 0 && (uid == 0 || of_its_user > own + 1);
}

static int idlest_of_the_greediest(const jmi_seat *seats, size_t count, uint32_t uid, size_t own) {
    int found = JMI_SEAT_NONE;
    size_t most = 0;
    for (size_t i = 0; i < count; i++) {
        size_t has = seats_of(seats, count, seats[i].uid);
        if (!may_take(&seats[i], has, uid, own)) continue;
        if (found >= 0 &&
            (has < most || (has == most && seats[i].idle_since_ns >= seats[found].idle_since_ns)))
            continue;
        found = (int)i;
        most = has;
    }
    return found;
}

int jmi_seat_for(const jmi_seat *seats, size_t count, uint32_t uid) {
    size_t own = seats_of(seats, count, uid), room = JMI_SEATS;
    if (uid != 0 && own >= JMI_SEATS_OF_A_USER) return JMI_SEAT_NONE;
    if (uid != 0) room -= JMI_SEATS_FOR_ROOT;
    if (uid != 0 && own > 0) room -= JMI_SEATS_FOR_FIRST;
    return count < room ? JMI_SEAT_FREE : idlest_of_the_greediest(seats, count, uid, own);
}

/* ---- changes ---- */

static double spent_now(const jmi_changes *changes, size_t i, int64_t now_ns) {
    double back = JMI_CHANGES_A_SECOND * (double)(now_ns - changes->of[i].t_ns) * 1e-9;
    return fmax(changes->of[i].spent - back, 0);
}

/* Of more users than there is room for, who has spent least is as good as new. */
static size_t entry_of(jmi_changes *changes, uint32_t uid, int64_t now_ns) {
    size_t least = 0;
    for (size_t i = 0; i < changes->count; i++) {
        if (changes->of[i].uid == uid) return i;
        if (spent_now(changes, i, now_ns) < spent_now(changes, least, now_ns)) least = i;
    }
    if (changes->count < JMI_SEATS) least = changes->count++;
    changes->of[least].uid = uid;
    changes->of[least].spent = 0;
    changes->of[least].t_ns = now_ns;
    return least;
}

bool jmi_changes_take(jmi_changes *changes, uint32_t uid, int64_t now_ns) {
    if (uid == 0) return true;
    size_t i = entry_of(changes, uid, now_ns);
    double spent = spent_now(changes, i, now_ns) + 1;
    if (spent > JMI_CHANGES_AT_ONCE) return false;
    changes->of[i].spent = spent;
    changes->of[i].t_ns = now_ns;
    return true;
}
