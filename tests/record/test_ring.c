/* Ranges and marks through the ring: threads, processes, hostile writers. */
#include "helpers.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static jm_range_id add(jm_session *session, const char *name, int64_t begin_ns, int64_t end_ns) {
    jm_range range = JM_RANGE_INIT;
    range.category = JM_CATEGORY_KERNEL;
    range.name = name;
    range.begin_ns = begin_ns;
    range.end_ns = end_ns;
    return jm_range_add(session, &range);
}

static void test_nesting(void **state) {
    (void)state;
    jm_session *s = open_plain(NULL);
    jm_range_id a = jm_begin(s, "a");
    jm_range_id b = jm_begin_as(s, JM_CATEGORY_BATCH, "b", "{\"size\":32}");
    jm_mark(s, "half way", "{\"x\":1}");
    jm_end_with(s, b, "{\"loss\":0.5}");
    jm_range_id c = jm_begin(s, "c");
    jm_end(s, a); /* overlaps c */
    jm_range_id d = jm_begin(s, "d");
    int64_t now = jm_now_ns();
    jm_range_id k = add(s, "gemm", now - 1000, now - 500);
    jm_end(s, d);
    jm_end(s, d); /* twice does not matter */
    jm_end(s, 0);
    jm_end(s, 12345);
    assert_int_equal(add(s, "x", 5, 4), 0);
    assert_int_equal(jm_begin_as(s, (jm_category)55, "x", NULL), 0);
    jm_recording *r = close_session(s);
    assert_int_equal(jm_recording_range_count(r), 5);
    jm_range range = range_at(r, 0);
    assert_true(range.id == a && range.parent == 0 && !range.unfinished);
    assert_int_equal(range.pid, getpid());
    range = range_at(r, 1);
    assert_true(range.id == b && range.parent == a && range.category == JM_CATEGORY_BATCH);
    assert_string_equal(range.attributes, "{\"size\":32,\"loss\":0.5}");
    range = range_at(r, 2);
    assert_true(range.id == c && range.parent == a && range.unfinished);
    assert_int_equal(range.end_ns, jm_recording_end_ns(r));
    range = range_at(r, 3);
    assert_true(range.id == d && range.parent == c && !range.unfinished);
    range = range_at(r, 4);
    assert_true(range.id == k && range.parent == d && range.end_ns == now - 500);
    jm_mark_info mark = {.size = sizeof mark};
    assert_int_equal(jm_recording_mark(r, 0, &mark), JM_OK);
    assert_string_equal(mark.name, "half way");
    assert_string_equal(mark.attributes, "{\"x\":1}");
    jm_recording_free(r);
}

/* An end that is told later; times that cannot be are moved to the nearest that can. */
static void test_end_at(void **state) {
    (void)state;
    jm_session *s = open_plain(NULL);
    jm_range_id outer = jm_begin(s, "outer");
    jm_range_id inner = jm_begin(s, "inner");
    int64_t stopped = jm_now_ns();
    usleep(2000);
    jm_range_id early = jm_begin(s, "early");
    jm_end_at(s, inner, stopped, "{\"exception\":\"abandoned\"}");
    jm_end_at(s, outer, stopped, NULL);
    jm_end_at(s, early, INT64_MIN, NULL);
    jm_range_id late = jm_begin(s, "late");
    jm_end_at(s, late, INT64_MAX, NULL);
    jm_end_at(s, 0, stopped, NULL);
    int64_t now = jm_now_ns();
    jm_recording *r = close_session(s);
    for (uint64_t i = 0; i < 4; i++) assert_false(range_at(r, i).unfinished);
    assert_int_equal(range_at(r, 0).end_ns, stopped);
    assert_int_equal(range_at(r, 1).end_ns, stopped);
    assert_string_equal(range_at(r, 1).attributes, "{\"exception\":\"abandoned\"}");
    assert_int_equal(range_at(r, 2).end_ns, range_at(r, 2).begin_ns);
    assert_true(range_at(r, 3).end_ns > range_at(r, 3).begin_ns && range_at(r, 3).end_ns <= now);
    assert_int_equal(range_at(r, 3).parent, 0); /* nothing is open any more */
    jm_recording_free(r);
}

static void test_null_session(void **state) {
    (void)state;
    assert_int_equal(jm_begin(NULL, "x"), 0);
    assert_int_equal(jm_begin_as(NULL, JM_CATEGORY_USER, "x", NULL), 0);
    jm_end(NULL, 1);
    jm_end_with(NULL, 1, NULL);
    jm_end_at(NULL, 1, 1, NULL);
    jm_mark(NULL, "x", NULL);
    assert_int_equal(add(NULL, "x", 0, 1), 0);
    assert_int_equal(jm_session_close(NULL, NULL, NULL), JM_OK);
}

/* Texts of every length come out as they went in, across slots and the end of the lane. */
static void test_texts(void **state) {
    (void)state;
    enum { TEXTS = 3000 };
    jm_session *s = open_plain(NULL);
    char *text = calloc(1, JMI_MAX_ATTRIBUTES + 1);
    for (int i = 0; i < TEXTS; i++) {
        int name = i % (JMI_MAX_NAME + 1), attributes = i * 7 % (JMI_MAX_ATTRIBUTES + 1);
        memset(text, 'a' + i % 26, (size_t)attributes);
        text[attributes] = '\0';
        char *copy = strdup(text);
        memset(text, 'A' + i % 26, (size_t)name);
        text[name] = '\0';
        assert_int_not_equal(jm_begin_as(s, JM_CATEGORY_LAYER, text, copy), 0);
        free(copy);
        if (i % 50 == 0) jm_session_recording(s); /* drains */
    }
    jm_recording *r = close_session(s);
    assert_int_equal(jm_recording_range_count(r), TEXTS);
    for (int i = 0; i < TEXTS; i++) {
        jm_range range = range_at(r, (uint64_t)i);
        size_t name = (size_t)i % (JMI_MAX_NAME + 1);
        size_t attributes = (size_t)i * 7 % (JMI_MAX_ATTRIBUTES + 1);
        assert_int_equal(strlen(range.name), name);
        assert_int_equal(strlen(range.attributes), attributes);
        assert_true(name == 0 || range.name[name - 1] == 'A' + i % 26);
        assert_true(attributes == 0 || range.attributes[attributes - 1] == 'a' + i % 26);
    }
    free(text);
    jm_recording_free(r);
}

static void test_long_texts(void **state) {
    (void)state;
    jm_session *s = open_plain(NULL);
    char *text = malloc(20001);
    for (int i = 0; i < 10000; i++) memcpy(text + 2 * i, "\xc3\xa9", 2);
    text[20000] = '\0';
    jm_range_id id = jm_begin_as(s, JM_CATEGORY_USER, text, text);
    jm_mark(s, text + 1, "{}");
    jm_end(s, id);
    text[19999] = 'x'; /* alike for longer than a name can be */
    jm_end(s, jm_begin(s, text));
    free(text);
    jm_recording *r = close_session(s);
    jm_range range = range_at(r, 0);
    assert_true(strlen(range.name) <= JMI_MAX_NAME && strlen(range.name) > JMI_MAX_NAME - 8);
    assert_memory_equal(range.name + strlen(range.name) - JMI_CUT_TAIL, "\xe2\x80\xa6#", 4);
    assert_string_not_equal(range.name, range_at(r, 1).name);
    assert_true(jmi_utf8_valid(range.name, strlen(range.name)));
    assert_string_equal(range.attributes, "{\"cut\":true}");
    assert_true(has_warning(r, "were cut"));
    jm_recording_free(r);
}

/* ---- threads ---- */

typedef struct worker {
    jm_session *session;
    pthread_t thread;
    long pairs;
    uint64_t sum;
} worker;

static void *work(void *argument) {
    worker *w = argument;
    for (long i = 0; i < w->pairs; i++) {
        jm_range_id id = jm_begin(w->session, "work");
        w->sum += id != 0;
        jm_end(w->session, id);
    }
    return NULL;
}

static void test_threads(void **state) {
    (void)state;
    enum { THREADS = 8 };
    long pairs = setting("JM_TEST_PAIRS", 1000000);
    jm_session_options options = JM_SESSION_OPTIONS_INIT;
    options.max_memory_bytes = UINT64_C(4) << 30;
    jm_session *s = open_plain(&options);
    worker workers[THREADS];
    int64_t from = jm_now_ns();
    for (int i = 0; i < THREADS; i++) {
        workers[i] = (worker){.session = s, .pairs = pairs};
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) pthread_join(workers[i].thread, NULL);
    int64_t written = jm_now_ns();
    jm_recording *r = close_session(s);
    printf("# %.1f M ranges/s written, closed %.0f ms later\n",
           (double)(THREADS * pairs) / (double)(written - from) * 1e3,
           (double)(jm_now_ns() - written) / 1e6);
    uint64_t count = jm_recording_range_count(r), unfinished = 0;
    uint64_t written_all = (uint64_t)THREADS * (uint64_t)pairs;
    jm_sampler_stats stats = {.size = sizeof stats};
    jm_recording_sampler_stats(r, &stats);
    /* Nothing is lost; where other programs keep the collector from running, little, and counted.
     */
    assert_true(count + stats.dropped >= written_all && stats.dropped * 1000 <= written_all);
    uint64_t of_thread[THREADS] = {0};
    for (uint64_t i = 0; i < count; i++) {
        jm_range range = range_at(r, i);
        unfinished += range.unfinished;
        assert_true(range.thread < THREADS);
        of_thread[range.thread]++;
    }
    assert_int_equal(unfinished + (written_all - count), stats.dropped);
    for (int i = 0; i < THREADS && stats.dropped == 0; i++) assert_int_equal(of_thread[i], pairs);
    jm_recording_free(r);
}

/* More threads than there are lanes, one after the other: lanes come back when threads end. */
static void test_thread_exit(void **state) {
    (void)state;
    enum { THREADS = 3 * JMI_LANES };
    jm_session *s = open_plain(NULL);
    for (int i = 0; i < THREADS; i++) {
        worker w = {.session = s, .pairs = 2};
        assert_int_equal(pthread_create(&w.thread, NULL, work, &w), 0);
        pthread_join(w.thread, NULL);
        assert_int_equal(w.sum, 2);
        if (i % 100 == 0) jm_session_recording(s);
    }
    jm_recording *r = close_session(s);
    assert_int_equal(jm_recording_range_count(r), 2 * THREADS);
    jm_range last = range_at(r, 2 * THREADS - 1);
    assert_int_equal(last.thread, THREADS - 1);
    jm_recording_free(r);
}

/* ---- without a session around it: nobody collects but the test ---- */

typedef struct bare {
    jmi_ring *ring;
    jm_recording *recording;
    jmi_collector *collector;
    jm_session session;
} bare;

static void open_bare(bare *b) {
    *b = (bare){.recording = sawtooth(0)};
    assert_int_equal(jmi_ring_create(&b->ring, NULL), JM_OK);
    assert_int_equal(jmi_collector_new(&b->collector, b->ring, b->recording, NULL), JM_OK);
    b->recording->begin_ns = jm_now_ns();
    b->session.ring = b->ring;
}

static void collect(bare *b) {
    assert_false(jmi_collect(b->collector, INT64_MAX));
}

static void close_bare(bare *b) {
    jmi_collector_free(b->collector);
    jmi_ring_free(b->ring);
    jm_recording_free(b->recording);
}

/* ---- ends and beginnings in different lanes ---- */

/* Ends from another thread, some before their beginning has been taken out of the ring. */
typedef struct relay {
    jm_session *session;
    _Atomic uint64_t slots[64];
    _Atomic int done;
} relay;

static void *end_what_others_began(void *argument) {
    relay *r = argument;
    for (;;) {
        bool done = atomic_load(&r->done);
        for (int i = 0; i < 64; i++) {
            uint64_t id = atomic_exchange(&r->slots[i], 0);
            if (id != 0) jm_end(r->session, id);
        }
        if (done) return NULL;
    }
}

static void test_end_elsewhere(void **state) {
    (void)state;
    enum { RANGES = 200000 };
    relay r = {.session = open_plain(NULL)};
    pthread_t thread;
    jm_end(r.session, jm_begin(r.session, "first lane"));
    assert_int_equal(pthread_create(&thread, NULL, end_what_others_began, &r), 0);
    for (int i = 0; i < RANGES; i++) {
        uint64_t id = jm_begin(r.session, "relayed");
        assert_int_not_equal(id, 0);
        uint64_t none = 0;
        while (!atomic_compare_exchange_weak(&r.slots[i % 64], &none, id)) none = 0;
    }
    atomic_store(&r.done, 1);
    pthread_join(thread, NULL);
    jm_recording *recording = close_session(r.session);
    assert_int_equal(jm_recording_range_count(recording), RANGES + 1);
    uint64_t unfinished = 0;
    for (uint64_t i = 0; i <= RANGES; i++) unfinished += range_at(recording, i).unfinished;
    /* where the machine gives the collector no time an end is dropped, and counted */
    jm_sampler_stats stats = {.size = sizeof stats};
    assert_int_equal(jm_recording_sampler_stats(recording, &stats), JM_OK);
    assert_int_equal(unfinished, stats.dropped);
    jm_recording_free(recording);
}

typedef struct beginner {
    jm_session *session;
    jm_range_id id;
} beginner;

static void *begin_one(void *argument) {
    beginner *b = argument;
    b->id = jm_begin(b->session, "began elsewhere");
    return NULL;
}

/* The collector takes lane after lane: here the end's lane comes first. */
static void test_end_first(void **state) {
    (void)state;
    bare b;
    pthread_t thread;
    open_bare(&b);
    beginner begun = {.session = &b.session};
    jm_mark(&b.session, "claims lane 0", NULL);
    assert_int_equal(pthread_create(&thread, NULL, begin_one, &begun), 0);
    pthread_join(thread, NULL);
    jm_end_with(&b.session, begun.id, "{\"late\":1}");
    collect(&b);
    jmi_collect_finish(b.collector, jm_now_ns());
    assert_int_equal(jm_recording_range_count(b.recording), 1);
    jm_range range = range_at(b.recording, 0);
    assert_false(range.unfinished);
    assert_string_equal(range.attributes, "{\"late\":1}");
    close_bare(&b);
}

/* A lane that nobody empties: the writer waits a bounded time once, then drops, and it is counted.
 */
static void test_full(void **state) {
    (void)state;
    bare b;
    open_bare(&b);
    for (int i = 0; i < JMI_SLOTS; i++) assert_int_not_equal(jm_begin(&b.session, "x"), 0);
    int64_t from = jm_now_ns();
    for (int i = 0; i < 1000; i++) assert_int_equal(jm_begin(&b.session, "x"), 0);
    int64_t took = jm_now_ns() - from;
    assert_true(took > 50 * 1000000 && took < 2000 * 1000000LL);
    collect(&b);
    assert_int_not_equal(jm_begin(&b.session, "room again"), 0);
    jmi_collect_finish(b.collector, jm_now_ns());
    assert_int_equal(jm_recording_range_count(b.recording), JMI_SLOTS + 1);
    jm_sampler_stats stats = {.size = sizeof stats};
    jm_recording_sampler_stats(b.recording, &stats);
    assert_int_equal(stats.dropped, 1000);
    assert_true(has_warning(b.recording, "faster than they could be taken"));
    close_bare(&b);
}

/* ---- processes ---- */

static void test_fork(void **state) {
    (void)state;
    jm_session *s = open_plain(NULL);
    jm_range_id parents = jm_begin(s, "parent");
    pid_t pid = fork();
    if (pid == 0) {
        bool good = jm_session_recording(s) == NULL && jm_session_flush(s, NULL) == JM_OK;
        for (int i = 0; i < 20000; i++) {
            jm_range_id id = jm_begin(s, "child");
            good &= id != 0 && (id >> 32) != (parents >> 32);
            jm_end(s, id);
        }
        jm_end(s, parents); /* is not the child's to end */
        jm_begin(s, "never ended");
        pid_t grandchild = fork();
        if (grandchild == 0) {
            jm_mark(s, "grandchild", NULL);
            _exit(0);
        }
        good &= wait_for(grandchild) == 0;
        good &= jm_session_close(s, NULL, NULL) == JM_OK;
        _exit(good ? 0 : 1);
    }
    for (int i = 0; i < 20000; i++) jm_end(s, jm_begin(s, "parent's"));
    assert_int_equal(wait_for(pid), 0);
    sleep_ms(5);
    jm_end(s, parents);
    int64_t before_close = jm_now_ns();
    jm_recording *r = close_session(s);
    assert_int_equal(jm_recording_range_count(r), 1 + 20000 + 20001);
    uint64_t of_child = 0, unfinished = 0;
    for (uint64_t i = 0; i < jm_recording_range_count(r); i++) {
        jm_range range = range_at(r, i);
        of_child += range.pid == (uint32_t)pid;
        unfinished += range.unfinished;
        if (range.id == parents) assert_true(before_close - range.end_ns < 4 * 1000000);
    }
    assert_int_equal(of_child, 20001);
    assert_int_equal(unfinished, 1);
    jm_mark_info mark = {.size = sizeof mark};
    assert_int_equal(jm_recording_mark(r, 0, &mark), JM_OK);
    assert_true(mark.pid != (uint32_t)pid && mark.pid != (uint32_t)getpid());
    jm_recording_free(r);
}

/* Processes that end without a word, more of them than there are lanes. */
static void test_dead_processes(void **state) {
    (void)state;
    int processes = JMI_LANES + 50;
    jm_session *s = open_plain(NULL);
    for (int i = 0; i < processes; i++) {
        pid_t pid = fork();
        if (pid == 0) {
            jm_range_id id = 0;
            for (int k = 0; k < 100 && id == 0; k++) { /* a lane may have to be taken back first */
                id = jm_begin(s, "short life");
                if (id == 0) sleep_ms(5);
            }
            jm_end(s, id);
            _exit(id == 0);
        }
        assert_int_equal(wait_for(pid), 0);
    }
    jm_recording *r = close_session(s);
    assert_int_equal(jm_recording_range_count(r), processes);
    jm_recording_free(r);
}

/* ---- writers that write nonsense ---- */

static jmi_slot *slot_at(jmi_ring *ring, size_t lane, uint64_t at) {
    return &jmi_ring_slots(ring, lane)[at & (JMI_SLOTS - 1)];
}

/* Makes one kind of nonsense of a good message in lane 1. Returns the head to go with it. */
static uint64_t spoil(jmi_ring *ring, jmi_slot *slot, int kind) {
    switch (kind) {
    case 0: slot->kind = 99; break;
    case 1: slot->category = 200; break;
    case 2: slot->name_length = 65535; break;
    case 3: slot->attributes_length = JMI_MAX_ATTRIBUTES; break; /* beyond the head */
    case 4: return UINT64_MAX;
    case 5: return JMI_SLOTS + 1;
    case 6: slot->t_ns = INT64_MAX; break;
    case 7: slot->t_ns = INT64_MIN; break;
    case 8: slot->id = jmi_id_base(0, 0) | 7; break; /* another lane's */
    case 9: slot->id = jmi_id_base(0, 1); break;     /* counter 0 */
    case 10:
        slot->kind = JMI_KIND_ADD;
        memset(slot->text, 0x7f, sizeof slot->text);
        break;
    default:
        atomic_store(&ring->header->lanes_used, UINT32_MAX);
        slot->kind = 0;
        break;
    }
    return 1;
}

static void test_nonsense(void **state) {
    (void)state;
    for (int kind = 0; kind < 12; kind++) {
        bare b;
        open_bare(&b);
        jm_end(&b.session, jm_begin(&b.session, "good")); /* lane 0 */
        jmi_lane *lane = &b.ring->lanes[1];
        uint64_t base = jmi_id_base(0, 1);
        atomic_store(&lane->owner, UINT64_C(4242) << 32 | 1);
        atomic_store(&b.ring->header->lanes_used, 2);
        jmi_slot *slot = slot_at(b.ring, 1, 0);
        *slot = (jmi_slot){.t_ns = jm_now_ns(), .id = base | 1, .kind = JMI_KIND_BEGIN};
        atomic_store(&lane->head, spoil(b.ring, slot, kind));
        collect(&b);
        assert_true(has_warning(b.recording, "nonsense"));
        /* It stays out, the other goes on. */
        *slot = (jmi_slot){.t_ns = jm_now_ns(), .id = base | 2, .kind = JMI_KIND_BEGIN};
        atomic_store(&lane->head, 2);
        jm_end(&b.session, jm_begin(&b.session, "good"));
        collect(&b);
        jmi_collect_finish(b.collector, jm_now_ns());
        assert_int_equal(jm_recording_range_count(b.recording), 2);
        close_bare(&b);
    }
}

/* A wrong clock costs the range that it was given to, not what else its thread says. */
static void test_wrong_clock(void **state) {
    (void)state;
    jm_session *s = open_plain(NULL);
    int64_t now = jm_now_ns(), utc = jmi_clock_ns(CLOCK_REALTIME);
    assert_int_equal(add(s, "utc", utc, utc + 1000), 0);
    assert_int_equal(add(s, "before boot", -1000, now), 0);
    assert_int_equal(add(s, "later", now, now + 3600 * JMI_NS_PER_S), 0);
    assert_int_equal(add(s, "back to front", now, now - 1), 0);
    assert_int_not_equal(add(s, "good", now - 1000, now), 0);
    jm_end(s, jm_begin(s, "good"));
    jm_recording *r = close_session(s);
    assert_int_equal(jm_recording_range_count(r), 2);
    assert_int_equal(jm_recording_warning_count(r), 1);
    assert_true(has_warning(r, "times are not those of jm_now_ns()"));
    jm_sampler_stats stats = {.size = sizeof stats};
    assert_int_equal(jm_recording_sampler_stats(r, &stats), JM_OK);
    assert_int_equal(stats.dropped, 4);
    jm_recording_free(r);
}

static void test_wrong_category(void **state) {
    (void)state;
    jm_session *s = open_plain(NULL);
    assert_int_equal(jm_begin_as(s, (jm_category)77, "x", NULL), 0);
    assert_int_not_equal(jm_begin_as(s, JM_CATEGORY_BATCH, "x", "{\"a\":1"), 0);
    jm_recording *r = close_session(s);
    assert_int_equal(jm_recording_range_count(r), 1);
    assert_string_equal(range_at(r, 0).attributes, "{\"a\":1"); /* as it was given */
    assert_int_equal(jm_recording_warning_count(r), 1);
    assert_true(has_warning(r, "a category that there is not"));
    jm_recording_free(r);
}

/* The same from a process that does not look at times: they are not believed here either. */
static void test_wrong_clock_unchecked(void **state) {
    (void)state;
    bare b;
    open_bare(&b);
    jmi_lane *lane = &b.ring->lanes[0];
    jmi_added added = {.end_ns = jmi_clock_ns(CLOCK_REALTIME)};
    atomic_store(&lane->owner, (uint64_t)getpid() << 32 | 1);
    atomic_store(&b.ring->header->lanes_used, 1);
    jmi_slot *slot = slot_at(b.ring, 0, 0);
    *slot = (jmi_slot){.t_ns = added.end_ns, .id = jmi_id_base(0, 0) | 1, .kind = JMI_KIND_ADD};
    memcpy((char *)slot + offsetof(jmi_slot, text), &added, sizeof added); /* into the next slot */
    *slot_at(b.ring, 0, 2) =
        (jmi_slot){.t_ns = jm_now_ns(), .id = jmi_id_base(0, 0) | 2, .kind = JMI_KIND_BEGIN};
    atomic_store(&lane->head, 3);
    collect(&b);
    jmi_collect_finish(b.collector, jm_now_ns());
    assert_int_equal(jm_recording_range_count(b.recording), 1);
    assert_false(has_warning(b.recording, "nonsense"));
    assert_true(has_warning(b.recording, "times are not those of jm_now_ns()"));
    close_bare(&b);
}

/* A process scribbles over the whole ring while it is read. */
static void test_scribbling(void **state) {
    (void)state;
    jm_session_options options = JM_SESSION_OPTIONS_INIT;
    options.max_memory_bytes = 64 << 20;
    jm_session *s = open_plain(&options);
    pid_t pid = fork();
    if (pid == 0) {
        uint64_t seed = 88172645463325252u;
        volatile uint64_t *words = (volatile uint64_t *)(void *)s->ring->lanes;
        size_t count = (JMI_LANES * sizeof(jmi_lane) + 64 * JMI_SLOTS * 4) / 8;
        int64_t end = jm_now_ns() + 700 * 1000000LL;
        for (uint64_t i = 0; (i & 1023) != 0 || jm_now_ns() < end; i++) {
            seed ^= seed << 13, seed ^= seed >> 7, seed ^= seed << 17;
            words[(seed >> 20) % count] = (seed & 7) == 0 ? seed : seed & 0xff;
            if ((i & 255) == 0) atomic_store(&s->ring->header->lanes_used, (uint32_t)seed);
            if ((i & 255) == 1) atomic_fetch_add(&s->ring->header->doorbell, 1);
        }
        _exit(0);
    }
    for (int i = 0; i < 70; i++) {
        jm_end(s, jm_begin(s, "brave"));
        jm_session_recording(s);
        sleep_ms(10);
    }
    assert_int_equal(wait_for(pid), 0);
    jm_recording *r = close_session(s);
    for (uint64_t i = 0; i < jm_recording_range_count(r); i++) {
        jm_range range = range_at(r, i);
        assert_true(range.end_ns >= range.begin_ns);
        assert_true(jmi_utf8_valid(range.name, strlen(range.name)));
    }
    jm_recording_free(r);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nesting),
        cmocka_unit_test(test_end_at),
        cmocka_unit_test(test_null_session),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_long_texts),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_thread_exit),
        cmocka_unit_test(test_end_elsewhere),
        cmocka_unit_test(test_end_first),
        cmocka_unit_test(test_full),
        cmocka_unit_test(test_fork),
        cmocka_unit_test(test_dead_processes),
        cmocka_unit_test(test_nonsense),
        cmocka_unit_test(test_scribbling),
        cmocka_unit_test(test_wrong_clock),
        cmocka_unit_test(test_wrong_category),
        cmocka_unit_test(test_wrong_clock_unchecked),
    };
    return cmocka_run_group_tests_name("record ring", tests, NULL, NULL);
}
