/* Whose each moment is: by hand, and by chance against a slow way that looks at every moment. */
#include "attribute/rows.h"
#include "helpers.h"

#include <stdio.h>

enum { LAYERS = 1u << JM_CATEGORY_LAYER };

/* ---- by hand ---- */

static void add_on(jm_recording *r, const char *name, double begin_s, double end_s, uint32_t thread,
                   const char *device, uint32_t stream) {
    jm_error error = {0};
    jm_range range = {.size = sizeof range,
                      .begin_ns = at(begin_s),
                      .end_ns = at(end_s),
                      .category = JM_CATEGORY_LAYER,
                      .thread = thread,
                      .name = name,
                      .device = device,
                      .stream = stream};
    if (jm_recording_add_range(r, &range, &error) != JM_OK) fail_msg("%s", error.message);
}

static void add(jm_recording *r, const char *name, double begin_s, double end_s) {
    add_on(r, name, begin_s, end_s, 0, "", 0);
}

static jm_recording *with_gpu(void) {
    jm_recording *r = recording_new();
    add_device(r, "gpu0", 400);
    return r;
}

static jmi_calls read_as(const jm_recording *r, const jmi_call_filter *filter) {
    jmi_calls calls;
    jm_error error = {0};
    if (jmi_calls_read(&calls, r, filter, &error) != JM_OK) fail_msg("%s", error.message);
    return calls;
}

static jmi_calls read(const jm_recording *r) {
    return read_as(r, &(jmi_call_filter){.categories = LAYERS});
}

static const jmi_class *named(const jmi_calls *calls, const char *name) {
    for (size_t i = 0; i < calls->class_count; i++)
        if (strcmp(calls->classes[i].name, name) == 0) return &calls->classes[i];
    fail_msg("there is no class %s", name);
    return NULL;
}

static void times(const jmi_calls *calls, const char *name, uint64_t count, double own_s,
                  double share_s) {
    const jmi_class *cls = named(calls, name);
    assert_int_equal(cls->calls, count);
    close_to(cls->own_s, own_s, 1e-6, name);
    close_to(cls->share_s, share_s, 1e-6, name);
}

static const jmi_call *of_range(const jmi_calls *calls, uint64_t range) {
    for (size_t i = 0; i < calls->count; i++)
        if (calls->list[i].range == range) return &calls->list[i];
    return NULL;
}

static uint64_t parent_of(const jmi_calls *calls, uint64_t range) {
    uint32_t parent = of_range(calls, range)->parent;
    return parent == JMI_NO_CALL ? UINT64_MAX : calls->list[parent].range;
}

static void done(jm_recording *r, jmi_calls *calls) {
    jmi_calls_free(calls);
    jm_recording_free(r);
}

static void nested(void **state) {
    (void)state;
    jm_recording *r = with_gpu();
    add(r, "in", 3, 4); /* comes before what it lies in, as ranges that end first do */
    add(r, "a", 2, 5);
    add(r, "b", 5, 9);
    add(r, "model", 1, 10);
    jmi_calls calls = read(r);
    assert_true(calls.nested);
    times(&calls, "in", 1, 1, 1);
    times(&calls, "a", 1, 2, 2);
    times(&calls, "b", 1, 4, 4);
    times(&calls, "model", 1, 2, 2);
    assert_int_equal(parent_of(&calls, 0), 1);
    assert_int_equal(parent_of(&calls, 1), 3);
    assert_int_equal(parent_of(&calls, 2), 3);
    assert_int_equal(parent_of(&calls, 3), UINT64_MAX);
    done(r, &calls);
}

static void within_itself(void **state) {
    (void)state;
    jm_recording *r = with_gpu();
    add(r, "f", 0, 8);
    add(r, "f", 1, 7);
    add(r, "f", 2, 3);
    add(r, "f", 2, 3); /* the very same time: one lies in the other */
    jmi_calls calls = read(r);
    times(&calls, "f", 4, 8, 8);
    close_to(of_range(&calls, 0)->own_s, 2, 1e-6, "outermost");
    close_to(of_range(&calls, 2)->own_s, 0, 1e-6, "all of it is the inner one's");
    assert_int_equal(parent_of(&calls, 3), 2);
    done(r, &calls);
}

static void partly_overlapping(void **state) {
    (void)state;
    jm_recording *r = with_gpu();
    add(r, "outer", 0, 20);
    add(r, "a", 1, 4);
    add(r, "b", 3, 6);
    add(r, "c", 5, 5.5);
    add(r, "d", 3.5, 7);
    jmi_calls calls = read(r);
    times(&calls, "a", 1, 2, 2);
    times(&calls, "b", 1, 0.5, 0.5);
    times(&calls, "c", 1, 0.5, 0.5);
    times(&calls, "d", 1, 3, 3);
    times(&calls, "outer", 1, 14, 14);
    for (uint64_t i = 1; i <= 4; i++) /* none lies in one that ends earlier */
        assert_int_equal(parent_of(&calls, i), i == 3 ? 4 : 0);
    done(r, &calls);
}

static void of_no_length(void **state) {
    (void)state;
    jm_recording *r = with_gpu();
    add(r, "a", 1, 2);
    add(r, "none", 1.5, 1.5);
    add(r, "none", 2, 2);
    add(r, "none", 3, 3);
    jmi_calls calls = read(r);
    assert_int_equal(calls.class_count, 2);
    assert_int_equal(calls.count, 4);
    times(&calls, "a", 1, 1, 1);
    times(&calls, "none", 3, 0, 0);
    assert_int_equal(parent_of(&calls, 1), 0);
    done(r, &calls);
}

static void nanoseconds(void **state) {
    (void)state;
    jm_recording *r = with_gpu();
    add(r, "a", 0, 3e-9);
    add(r, "b", 1e-9, 2e-9);
    jmi_calls calls = read(r);
    close_to(named(&calls, "a")->own_s, 2e-9, 1e-15, "a");
    close_to(named(&calls, "b")->own_s, 1e-9, 1e-15, "b");
    done(r, &calls);
}

static void at_once(void **state) {
    (void)state;
    jm_recording *r = with_gpu();
    add_on(r, "a", 0, 4, 0, "", 0);
    add_on(r, "b", 1, 3, 1, "", 0);
    add_on(r, "b", 2, 6, 0, "gpu0", 7);
    jmi_calls calls = read(r);
    times(&calls, "a", 1, 4, 1 + 0.5 + 1.0 / 3 + 0.5);
    times(&calls, "b", 2, 6, 0.5 + 1.0 / 3 + 1.0 / 3 + 0.5 + 2);
    assert_false(calls.nested);
    done(r, &calls);
}

/* Own time of what lies in another thread is not taken from it. */
static void threads_and_streams_are_apart(void **state) {
    (void)state;
    jm_recording *r = with_gpu();
    add_on(r, "a", 0, 4, 0, "gpu0", 1);
    add_on(r, "b", 1, 2, 0, "gpu0", 2);
    add_on(r, "c", 1, 2, 1, "", 1);
    jmi_calls calls = read(r);
    times(&calls, "a", 1, 4, 3 + 1.0 / 3);
    times(&calls, "b", 1, 1, 1.0 / 3);
    assert_int_equal(parent_of(&calls, 1), UINT64_MAX);
    done(r, &calls);
}

static void which_ranges(void **state) {
    (void)state;
    jm_recording *r = with_gpu();
    add_device(r, "gpu1", 400);
    add(r, "net.a", 0, 1);
    add(r, "net.b", 1, 2);
    add(r, "ne", 2, 3);
    add_on(r, "net.c", 3, 4, 0, "gpu1", 0);
    add_range(r, JM_CATEGORY_PHASE, "net", 0, 9);
    jmi_calls calls = read_as(r, &(jmi_call_filter){.categories = LAYERS, .prefix = "net"});
    assert_int_equal(calls.count, 2);
    jmi_calls_free(&calls);
    calls = read_as(r, &(jmi_call_filter){.categories = LAYERS, .prefix = "net", .device = 1});
    assert_int_equal(calls.count, 3);
    jmi_calls_free(&calls);
    calls = read_as(r, &(jmi_call_filter){.categories = UINT32_MAX, .prefix = ""});
    assert_int_equal(calls.count, 4);
    close_to(named(&calls, "net")->own_s, 6, 1e-6, "phase around layers");
    jmi_calls_free(&calls);
    assert_int_equal(
        jmi_calls_read(&calls, r, &(jmi_call_filter){.categories = LAYERS, .prefix = "x"}, NULL),
        JM_NO_DATA);
    assert_int_equal(
        jmi_calls_read(&calls, r, &(jmi_call_filter){.categories = LAYERS, .device = 7}, NULL),
        JM_NOT_FOUND);
    jm_recording_free(r);
}

/* By the begin of a call: that of a window belongs to it, its end does not. */
static void told_of(void **state) {
    (void)state;
    const jm_window windows[] = {{at(1), at(2)}, {at(2), at(2)}, {at(2), at(3)}, {at(5), at(6)}};
    static const struct {
        double begin_s;
        bool told;
    } wanted[] = {{0.5, false}, {1, true},   {1.9, true}, {2, true},  {2.5, true},
                  {3, false},   {4, false},  {5, true},   {6, false}, {2.7, true},
                  {0, false},   {5.5, true}, {1.5, true}, {9, false}};
    jm_recording *r = with_gpu();
    for (size_t i = 0; i < JMI_COUNT(wanted); i++)
        add(r, wanted[i].told ? "told" : "not", wanted[i].begin_s, wanted[i].begin_s + 0.01);
    jmi_calls calls = read_as(r, &(jmi_call_filter){.categories = LAYERS,
                                                    .windows = windows,
                                                    .window_count = JMI_COUNT(windows)});
    for (size_t i = 0; i < JMI_COUNT(wanted); i++)
        if (of_range(&calls, i)->told != wanted[i].told)
            fail_msg("call %zu at %g s", i, wanted[i].begin_s);
    assert_int_equal(named(&calls, "not")->calls, 0);
    close_to(named(&calls, "not")->share_s, 0, 0, "not told of");
    close_to(named(&calls, "not")->all_s, 0.06, 1e-6, "but seen");
    done(r, &calls);
}

/* A wrapper has time of its own between a million short calls in it. */
static void small_pieces_add_up(void **state) {
    (void)state;
    enum { MANY = 1000000 };
    jm_recording *r = with_gpu();
    add(r, "wrapper", 0, 20e-6 * MANY);
    for (int i = 0; i < MANY; i++) add(r, "inner", 20e-6 * i, 20e-6 * i + 19e-6);
    jmi_calls calls = read(r);
    close_to(named(&calls, "wrapper")->own_s, 1e-6 * MANY, 1e-5, "wrapper");
    close_to(named(&calls, "wrapper")->share_s, 1e-6 * MANY, 1e-5, "wrapper");
    close_to(named(&calls, "inner")->own_s, 19e-6 * MANY, 1e-4, "inner");
    done(r, &calls);
}

/* ---- by chance, slowly ---- */

typedef struct slow {
    int64_t begin, end;
    uint32_t thread, name;
    double own_s, share_s;
} slow;

/* Is `a` within `b`, of those that are open in one thread? What began last; else what ends first;
 * else what came last. */
static bool inner(const slow *a, const slow *b) {
    if (a->begin != b->begin) return a->begin > b->begin;
    if (a->end != b->end) return a->end < b->end;
    return a > b;
}

static int by_time(const void *left, const void *right) {
    const int64_t *a = left, *b = right;
    return (*a > *b) - (*a < *b);
}

enum { THREADS = 5, NAMES = 40, OPEN = 20000 };

/* Everything that is open from one time to the next one: the innermost of each thread has it. */
static double share_moment(slow *const *open, size_t count, double length_s) {
    slow *has[THREADS] = {NULL};
    size_t threads = 0;
    for (size_t i = 0; i < count; i++) {
        slow **best = &has[open[i]->thread];
        threads += *best == NULL;
        if (*best == NULL || inner(open[i], *best)) *best = open[i];
    }
    for (size_t k = 0; k < THREADS; k++)
        if (has[k] != NULL) {
            has[k]->own_s += length_s;
            has[k]->share_s += length_s / (double)threads;
        }
    return threads > 0 ? length_s : 0;
}

static int by_begin(const void *left, const void *right) {
    const slow *const *a = left, *const *b = right;
    return ((*a)->begin > (*b)->begin) - ((*a)->begin < (*b)->begin);
}

/* Returns the time in which anything ran. */
static double share_slowly(slow *list, size_t count) {
    int64_t *edge = jmi_alloc(2 * count, sizeof *edge);
    slow **open = jmi_alloc(OPEN, sizeof(slow *)), **order = jmi_alloc(count, sizeof(slow *));
    assert_true(edge != NULL && open != NULL && order != NULL);
    for (size_t i = 0; i < count; i++) {
        edge[2 * i] = list[i].begin;
        edge[2 * i + 1] = list[i].end;
        order[i] = &list[i];
    }
    qsort(edge, 2 * count, sizeof *edge, by_time);
    qsort(order, count, sizeof(slow *), by_begin);
    double all_s = 0;
    size_t next = 0, opened = 0;
    for (size_t i = 0; i + 1 < 2 * count; i++) {
        size_t kept = 0;
        if (edge[i] == edge[i + 1]) continue;
        for (size_t k = 0; k < opened; k++)
            if (open[k]->end > edge[i]) open[kept++] = open[k];
        for (opened = kept; next < count && order[next]->begin <= edge[i]; next++) {
            assert_true(opened < OPEN);
            if (order[next]->end > edge[i]) open[opened++] = order[next];
        }
        all_s += share_moment(open, opened, (double)(edge[i + 1] - edge[i]) * 1e-9);
    }
    free(edge);
    free(open);
    free(order);
    return all_s;
}

/* Short ones, long ones, such as begin or end together, and some that are open for long. */
static slow some_call(uint64_t *random, size_t count) {
    int64_t grid = random_bits(random) % 2 ? 1 : 100000, span = (int64_t)count * 40000;
    int64_t begin = (int64_t)(random_bits(random) % (uint64_t)span) / grid * grid;
    int64_t most = random_bits(random) % 1000 == 0 ? span / 20 : 300000;
    int64_t length = (int64_t)(random_bits(random) % (uint64_t)most) / grid * grid;
    return (slow){.begin = T0 + begin,
                  .end = T0 + begin + length,
                  .thread = (uint32_t)(random_bits(random) % THREADS),
                  .name = (uint32_t)(random_bits(random) % NAMES)};
}

static jm_recording *record(const slow *list, size_t count) {
    jm_recording *r = with_gpu();
    for (size_t i = 0; i < count; i++) {
        char name[16];
        snprintf(name, sizeof name, "layer%u", list[i].name);
        jm_range range = {.size = sizeof range,
                          .begin_ns = list[i].begin,
                          .end_ns = list[i].end,
                          .category = JM_CATEGORY_LAYER,
                          .pid = list[i].thread % 2,
                          .thread = list[i].thread,
                          .name = name,
                          .device = list[i].thread == 4 ? "gpu0" : ""};
        assert_int_equal(jm_recording_add_range(r, &range, NULL), JM_OK);
    }
    return r;
}

static void compare(const jmi_calls *calls, const slow *list, size_t count, double all_s) {
    double own_s[NAMES] = {0}, share_s[NAMES] = {0}, sum = 0;
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        kept += list[i].end >= list[i].begin;
        own_s[list[i].name] += list[i].own_s;
        share_s[list[i].name] += list[i].share_s;
    }
    assert_int_equal(calls->count, kept);
    for (size_t i = 0; i < calls->count; i++) {
        const jmi_call *c = &calls->list[i];
        const slow *wanted = &list[c->range];
        close_to(c->own_s, wanted->own_s, 1e-12 + 1e-9 * wanted->own_s, "own time");
        close_to(c->share_s, wanted->share_s, 1e-12 + 1e-6 * wanted->share_s, "share");
    }
    for (size_t i = 0; i < calls->class_count; i++) {
        const jmi_class *c = &calls->classes[i];
        int number = atoi(c->name + strlen("layer"));
        close_to(c->own_s, own_s[number], 1e-6 * own_s[number], c->name);
        close_to(c->share_s, share_s[number], 1e-6 * share_s[number], c->name);
        sum += c->share_s;
    }
    close_to(sum, all_s, 1e-6 * all_s, "all shares together");
}

/* Windows of any length add up to themselves, and side by side to all classes' time. */
static void compare_windows(const jmi_calls *calls, double all_s, uint64_t *random) {
    jmi_layout layout;
    assert_true(jmi_layout_make(&layout, calls, JMI_MOST_CLASSES));
    double *x = jmi_alloc(layout.width, sizeof *x), classes = 0;
    double *all = jmi_alloc(layout.width, sizeof *all);
    assert_true(x != NULL && all != NULL);
    int64_t a = T0 - 1000000, last = T0;
    for (size_t i = 0; i < calls->count; i++)
        if (calls->list[i].end_ns > last) last = calls->list[i].end_ns;
    for (size_t hint = 0; a < last;) {
        int64_t b = a + 1 + (int64_t)(random_bits(random) % 9000000);
        double sum = 0;
        size_t ends[2] = {SIZE_MAX, SIZE_MAX};
        memset(x, 0, layout.width * sizeof *x);
        jmi_layout_times(&layout, a, b, &hint, x, ends);
        assert_true(ends[0] < layout.width && ends[1] < layout.width);
        assert_true(x[ends[0]] > 0 && x[ends[1]] > 0);
        for (size_t i = 0; i < layout.width; i++) {
            sum += x[i];
            all[i] += x[i] * 1e-9;
        }
        close_to(sum, (double)(b - a), 1e-6 * (double)(b - a), "a window's shares");
        a = b;
    }
    for (size_t i = 0; i < calls->class_count; i++) {
        close_to(all[layout.column[i]], calls->classes[i].all_s, 1e-6 * all_s, "a class");
        classes += all[layout.column[i]];
    }
    close_to(classes, all_s, 1e-6 * all_s, "all classes");
    free(x);
    free(all);
    jmi_layout_free(&layout);
}

static void any_ranges(void **state) {
    (void)state;
    static const size_t counts[] = {1, 2, 3, 5, 10, 30, 300, 3000, 100000};
    uint64_t random = 21;
    for (size_t k = 0; k < JMI_COUNT(counts); k++)
        for (size_t round = 0; round < (counts[k] < 100 ? 60 : 1); round++) {
            size_t count = counts[k];
            slow *list = jmi_alloc(count, sizeof *list);
            assert_non_null(list);
            for (size_t i = 0; i < count; i++) list[i] = some_call(&random, count);
            jm_recording *r = record(list, count);
            double all_s = share_slowly(list, count);
            if (all_s > 0) {
                jmi_calls calls = read(r);
                compare(&calls, list, count, all_s);
                compare_windows(&calls, all_s, &random);
                jmi_calls_free(&calls);
            }
            jm_recording_free(r);
            free(list);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nested),
        cmocka_unit_test(within_itself),
        cmocka_unit_test(partly_overlapping),
        cmocka_unit_test(of_no_length),
        cmocka_unit_test(nanoseconds),
        cmocka_unit_test(at_once),
        cmocka_unit_test(threads_and_streams_are_apart),
        cmocka_unit_test(which_ranges),
        cmocka_unit_test(told_of),
        cmocka_unit_test(small_pieces_add_up),
        cmocka_unit_test(any_ranges),
    };
    return cmocka_run_group_tests_name("attribute: calls", tests, NULL, NULL);
}
