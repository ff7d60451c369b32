/* What one user may have of joulemeter-limitd. */
#include "check.h"

#include "limit/seats.h"

enum { MANY = 1000 };

static jmi_seat seats[JMI_SEATS];
static size_t count;

static void sit(uint32_t uid, bool lent, int64_t idle_since_ns) {
    seats[count++] = (jmi_seat){uid, lent, idle_since_ns};
}

/* As the daemon does it: false, or somebody has left. */
static bool come(uint32_t uid, bool lent, int64_t t_ns) {
    int seat = jmi_seat_for(seats, count, uid);
    if (seat == JMI_SEAT_NONE) return false;
    if (seat >= 0) seats[seat] = seats[--count];
    assert_true(count < JMI_SEATS);
    sit(uid, lent, t_ns);
    return true;
}

static size_t seats_of(uint32_t uid) {
    size_t sum = 0;
    for (size_t i = 0; i < count; i++) sum += seats[i].uid == uid;
    return sum;
}

static void users_cannot_fill_it(void **unused) {
    (void)unused;
    for (int lent = 0; lent <= 1; lent++) {
        count = 0;
        for (int i = 0; i < MANY; i++) come(1000 + (uint32_t)i % 4, lent != 0, i);
        assert_int_equal(count, JMI_SEATS - JMI_SEATS_FOR_ROOT - JMI_SEATS_FOR_FIRST);
        for (uint32_t uid = 2000; uid < 2000 + JMI_SEATS_FOR_FIRST; uid++)
            assert_true(come(uid, true, MANY));
        assert_int_equal(jmi_seat_for(seats, count, 2000), lent ? JMI_SEAT_NONE : 0);
        for (int i = 0; i < JMI_SEATS_FOR_ROOT; i++) assert_true(come(0, true, MANY));
        assert_int_equal(count, JMI_SEATS);
        assert_int_equal(jmi_seat_for(seats, count, 0) >= 0, !lent);
    }
}

static void the_idlest_of_the_greediest_leaves(void **unused) {
    (void)unused;
    count = 0;
    for (int i = 0; i < 12; i++) sit(7, i != 5 && i != 9, 100 - i);
    for (int i = 0; i < 11; i++) sit(8, false, i);
    while (count < JMI_SEATS) sit(0, false, 1);
    assert_int_equal(jmi_seat_for(seats, count, 9), 9); /* of 7, who has most, and without a loan */
    assert_int_equal(jmi_seat_for(seats, count, 7), JMI_SEAT_NONE);
    seats[5].lent = seats[9].lent = true;
    assert_int_equal(jmi_seat_for(seats, count, 9), 12);
}

static void a_user_has_so_many(void **unused) {
    (void)unused;
    count = 0;
    for (int i = 0; i < MANY; i++) come(1000, false, i);
    assert_int_equal(seats_of(1000), JMI_SEATS_OF_A_USER);
    count = 0;
    for (int i = 0; i < MANY; i++) assert_true(come(0, false, i));
    assert_int_equal(seats_of(0), JMI_SEATS);
    for (size_t i = 0; i < count; i++) assert_true(seats[i].idle_since_ns >= MANY - JMI_SEATS);
}

/* Nobody gains by coming again and again: who is in stays, if he has no more than the newcomer. */
static void equals_do_not_push_each_other_out(void **unused) {
    (void)unused;
    count = 0;
    for (uint32_t uid = 1; uid <= 48; uid++) sit(uid, false, uid);
    assert_int_equal(jmi_seat_for(seats, count, 1), JMI_SEAT_NONE);
    for (uint32_t uid = 101; uid <= 108; uid++) assert_true(come(uid, false, 0));
    assert_int_equal(jmi_seat_for(seats, count, 109), JMI_SEAT_NONE);
    assert_int_equal(jmi_seat_for(seats, count, 0), JMI_SEAT_FREE);
}

static void changes_are_counted(void **unused) {
    (void)unused;
    static jmi_changes changes;
    int64_t now = 5 * JMI_NS_PER_S;
    int taken = 0;
    for (int i = 0; i < MANY; i++) taken += jmi_changes_take(&changes, 1000, now);
    assert_int_equal(taken, JMI_CHANGES_AT_ONCE);
    assert_true(jmi_changes_take(&changes, 1001, now));
    for (int i = 0; i < MANY; i++) assert_true(jmi_changes_take(&changes, 0, now));
    for (taken = 0, now += JMI_NS_PER_S; jmi_changes_take(&changes, 1000, now); taken++) {
    }
    assert_int_equal(taken, JMI_CHANGES_A_SECOND);
    now += 3600 * JMI_NS_PER_S;
    for (taken = 0; jmi_changes_take(&changes, 1000, now); taken++) {
    }
    assert_int_equal(taken, JMI_CHANGES_AT_ONCE);
}

/* More users than there is room for: one who has spent all gets none of it back by that. */
static void many_users_forget_nobody_who_floods(void **unused) {
    (void)unused;
    static jmi_changes changes;
    int64_t now = JMI_NS_PER_S;
    while (jmi_changes_take(&changes, 1000, now)) {
    }
    for (uint32_t uid = 1; uid < MANY; uid++) jmi_changes_take(&changes, uid, now);
    assert_false(jmi_changes_take(&changes, 1000, now));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(users_cannot_fill_it),
        cmocka_unit_test(the_idlest_of_the_greediest_leaves),
        cmocka_unit_test(a_user_has_so_many),
        cmocka_unit_test(equals_do_not_push_each_other_out),
        cmocka_unit_test(changes_are_counted),
        cmocka_unit_test(many_users_forget_nobody_who_floods),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
