/* Making, joining and leaving a ring; claiming a lane in it. */
#include "record/ring.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What a thread's lane is to this process. */
enum { WRITER_LIVE, WRITER_LEAVING, WRITER_GONE };

static uint64_t namespace_of(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 ? (uint64_t)info.st_ino : 0;
}

static void thread_exits(void *value);

/* A page with this process's id that a fork empties, so that a child sees that it is one. */
static bool make_process_page(jmi_ring *ring) {
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    void *memory = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return false;
    ring->process = memory;
    ring->wiped_on_fork = madvise(memory, page, MADV_WIPEONFORK) == 0;
    atomic_store(ring->process, (uint32_t)getpid());
    return true;
}

uint32_t jmi_ring_pid_slow(jmi_ring *ring) {
    uint32_t pid = (uint32_t)getpid();
    atomic_store_explicit(ring->process, pid, memory_order_relaxed);
    return pid;
}

static int map(jmi_ring *ring, jm_error *error) {
    int flags = ring->fd >= 0 ? MAP_SHARED : MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE;
    void *memory = mmap(NULL, ring->size, PROT_READ | PROT_WRITE, flags, ring->fd, 0);
    if (memory == MAP_FAILED) return jmi_fail_errno(error, errno, "cannot map the ring of ranges");
    ring->header = memory;
    /* A core dump need not have it. */
    (void)madvise(memory, ring->size, MADV_DONTDUMP);
    return JM_OK;
}

static size_t round_up(size_t bytes) {
    return (bytes + 4095) & ~(size_t)4095;
}

static const size_t questions_at = 4096;
static size_t devices_at(void) {
    return questions_at + round_up(JMI_QUESTIONS * sizeof(jmi_question));
}
static size_t lanes_at(void) {
    return devices_at() + round_up(JMI_RING_DEVICES * sizeof(jmi_ring_device));
}
static size_t slots_at(void) {
    return lanes_at() + round_up(JMI_LANES * sizeof(jmi_lane));
}
static size_t ring_size(uint32_t lanes) {
    return slots_at() + (size_t)lanes * JMI_SLOTS * JMI_SLOT_BYTES;
}

static int attach(jmi_ring *ring, jm_error *error) {
    char *start = (char *)ring->header; /* what lies in it others may change */
    ring->questions = (jmi_question *)(void *)(start + questions_at);
    ring->devices = (jmi_ring_device *)(void *)(start + devices_at());
    ring->lanes = (jmi_lane *)(void *)(start + lanes_at());
    ring->slots = start + slots_at();
    if (!make_process_page(ring))
        return jmi_fail_errno(error, errno, "cannot make room for ranges");
    if (pthread_key_create(&ring->key, thread_exits) != 0)
        return jmi_fail(error, JM_FULL, "too many sessions are open (no thread key is left)");
    ring->has_key = true;
    return JM_OK;
}

static void fill_header(const jmi_ring *ring) {
    jmi_ring_header *header = ring->header;
    header->version = JMI_RING_VERSION;
    header->lane_count = ring->lane_count;
    header->slot_count = JMI_SLOTS;
    header->creator_pid = getpid();
    header->lanes_offset = lanes_at();
    header->slots_offset = slots_at();
    header->size = ring->size;
    header->created_ns = jm_now_ns();
    header->time_namespace = namespace_of("/proc/self/ns/time");
    header->pid_namespace = namespace_of("/proc/self/ns/pid");
    header->magic = JMI_RING_MAGIC;
}

/* Takes the descriptor. */
static jmi_ring *new_ring(int fd, uint32_t lanes, jm_error *error) {
    jmi_ring *ring = jmi_alloc(1, sizeof *ring);
    if (ring == NULL) {
        if (fd >= 0) close(fd);
        jmi_fail(error, JM_MEMORY, "out of memory for the ring of ranges");
        return NULL;
    }
    ring->fd = fd;
    ring->lane_count = lanes;
    ring->size = ring_size(lanes);
    return ring;
}

/* -1 with errno: there is no room for it. */
static int make_memory_file(uint32_t lanes) {
    /* Not closed on exec: a command that is started finds it by its number. */
    int fd = memfd_create("joulemeter", MFD_ALLOW_SEALING);
    if (fd < 0) return -1;
    jmi_quiet quiet = jmi_quiet_begin();
    bool grown = ftruncate(fd, (off_t)ring_size(lanes)) == 0;
    int failed = errno;
    jmi_quiet_end(quiet);
    if (grown) {
        /* A measured program that shortened it would take the mapped pages from under us. */
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
        return fd;
    }
    close(fd);
    errno = failed;
    return -1;
}

static int create(jmi_ring **ring, uint32_t lanes, bool file, jm_error *error) {
    int fd = file ? make_memory_file(lanes) : -1;
    if (file && fd < 0) return jmi_fail_errno(error, errno, "cannot make the ring of ranges");
    jmi_ring *fresh = new_ring(fd, lanes, error);
    if (fresh == NULL) return JM_MEMORY;
    int status = map(fresh, error);
    if (status == JM_OK) {
        fill_header(fresh);
        fresh->owner_pid = getpid();
        status = attach(fresh, error);
    }
    if (status == JM_OK)
        *ring = fresh;
    else
        jmi_ring_free(fresh);
    return status;
}

int jmi_ring_create(jmi_ring **ring, jm_error *error) {
    static const struct {
        uint32_t lanes;
        bool file;
    } sizes[] = {{JMI_LANES, true},  {64, true},  {8, true},
                 {JMI_LANES, false}, {64, false}, {8, false}};
    jm_error why = {.status = JM_OK}, later;
    *ring = NULL;
    int status = create(ring, sizes[0].lanes, sizes[0].file, &why);
    for (size_t i = 1; status != JM_OK && i < JMI_COUNT(sizes); i++)
        status = create(ring, sizes[i].lanes, sizes[i].file, &later);
    if (status != JM_OK || *ring == NULL) return jmi_fail(error, why.status, "%s", why.message);
    (*ring)->narrowed = why;
    return JM_OK;
}

static int check_header(const jmi_ring *ring, jm_error *error) {
    const jmi_ring_header *header = ring->header;
    if (header->magic != JMI_RING_MAGIC)
        return jmi_fail(error, JM_FORMAT, "the outer session's ring is none");
    if (header->version != JMI_RING_VERSION || header->lane_count != ring->lane_count ||
        header->slot_count != JMI_SLOTS || header->lanes_offset != lanes_at() ||
        header->slots_offset != slots_at() || header->size != ring->size)
        return jmi_fail(error, JM_NOT_SUPPORTED,
                        "the outer session is of another version of joulemeter");
    if (header->time_namespace != namespace_of("/proc/self/ns/time"))
        return jmi_fail(error, JM_NOT_SUPPORTED, "the outer session has another clock");
    return JM_OK;
}

/* Lanes of the ring in a file; 0: it is none. */
static uint32_t lanes_of(int fd) {
    struct stat info;
    if (fstat(fd, &info) != 0 || !S_ISREG(info.st_mode)) return 0;
    for (uint32_t lanes = 1; lanes <= JMI_LANES; lanes++)
        if (info.st_size == (off_t)ring_size(lanes)) return lanes;
    return 0;
}

int jmi_ring_join(jmi_ring **ring, int fd, jm_error *error) {
    *ring = NULL;
    uint32_t lanes = lanes_of(fd);
    if (lanes == 0) {
        close(fd);
        return jmi_fail(error, JM_NOT_SUPPORTED,
                        "the outer session is gone or of another version of joulemeter");
    }
    jmi_ring *fresh = new_ring(fd, lanes, error);
    if (fresh == NULL) return JM_MEMORY;
    int status = map(fresh, error);
    if (status == JM_OK) status = check_header(fresh, error);
    if (status == JM_OK) status = attach(fresh, error);
    if (status != JM_OK) {
        jmi_ring_free(fresh);
        return status;
    }
    *ring = fresh;
    return JM_OK;
}

bool jmi_ring_foreign(const jmi_ring *ring) {
    return namespace_of("/proc/self/ns/pid") != ring->header->pid_namespace;
}

void jmi_ring_close(jmi_ring *ring) {
    atomic_store_explicit(&ring->header->closed, 1, memory_order_release);
}

/* ---- lanes ---- */

static void release_lane(jmi_writer_lane *writer) {
    if (writer->lane != NULL && writer->pid == jmi_ring_pid(writer->ring))
        atomic_store_explicit(&writer->lane->released, 1, memory_order_release);
    writer->lane = NULL;
}

/* The thread ends. The session may be closed by another thread at the same time, which then waits
 * for us to be gone. */
static void thread_exits(void *value) {
    jmi_writer_lane *writer = value;
    uint32_t live = WRITER_LIVE;
    if (!atomic_compare_exchange_strong(&writer->state, &live, WRITER_LEAVING)) return;
    release_lane(writer);
    atomic_store_explicit(&writer->state, WRITER_GONE, memory_order_release);
}

static void free_writers(jmi_ring *ring) {
    jmi_writer_lane *writer = atomic_load(&ring->writers);
    while (writer != NULL) {
        jmi_writer_lane *next = writer->next;
        uint32_t state = WRITER_LIVE;
        if (atomic_compare_exchange_strong(&writer->state, &state, WRITER_LEAVING))
            release_lane(writer);
        else
            while (atomic_load_explicit(&writer->state, memory_order_acquire) == WRITER_LEAVING &&
                   writer->pid == jmi_ring_pid(ring))
                usleep(10);
        free(writer);
        writer = next;
    }
}

void jmi_ring_free(jmi_ring *ring) {
    if (ring == NULL) return;
    if (ring->has_key) {
        pthread_key_delete(ring->key); /* from here on no thread's end comes to us */
        free_writers(ring);
    }
    if (ring->header != NULL) munmap(ring->header, ring->size);
    if (ring->process != NULL) munmap(ring->process, (size_t)sysconf(_SC_PAGESIZE));
    if (ring->fd >= 0) close(ring->fd);
    free(ring);
}

static bool claim(jmi_writer_lane *writer, size_t index) {
    jmi_ring *ring = writer->ring;
    jmi_lane *lane = &ring->lanes[index];
    if (atomic_load_explicit(&lane->owner, memory_order_relaxed) != 0) return false;
    uint64_t free_lane = 0;
    uint64_t owner = (uint64_t)writer->pid << 32 | (uint32_t)syscall(SYS_gettid);
    if (jmi_ring_foreign(ring)) owner |= JMI_OWNER_FOREIGN;
    if (!atomic_compare_exchange_strong(&lane->owner, &free_lane, owner)) return false;
    uint32_t used = atomic_load(&ring->header->lanes_used);
    while (used < index + 1 &&
           !atomic_compare_exchange_weak(&ring->header->lanes_used, &used, (uint32_t)index + 1)) {
    }
    writer->lane = lane;
    writer->slots = jmi_ring_slots(ring, index);
    writer->head = atomic_load(&lane->head);
    writer->tail_seen = atomic_load(&lane->tail);
    writer->rung_at = writer->head;
    writer->id_base = jmi_id_base(atomic_load(&lane->generation), index);
    writer->counter = 0;
    writer->stalled = false;
    return true;
}

static void claim_any(jmi_writer_lane *writer) {
    jmi_ring_header *header = writer->ring->header;
    uint32_t now = (uint32_t)(jm_now_ns() / JMI_WANTED_NS) | 1u << 31;
    /* The collector takes back what it can; until it has, looking again finds none. */
    if (atomic_load_explicit(&header->wanted, memory_order_relaxed) == now) return;
    for (size_t i = 0; i < writer->ring->lane_count; i++)
        if (claim(writer, i)) return;
    if (atomic_exchange(&header->wanted, now) != now) {
        atomic_fetch_add(&header->doorbell, 1);
        jmi_futex_wake(&header->doorbell);
    }
}

static jmi_writer_lane *new_writer(jmi_ring *ring) {
    jmi_writer_lane *writer = jmi_alloc(1, sizeof *writer);
    if (writer == NULL) return NULL;
    writer->ring = ring;
    if (pthread_setspecific(ring->key, writer) != 0) {
        free(writer);
        return NULL;
    }
    writer->next = atomic_load(&ring->writers);
    while (!atomic_compare_exchange_weak(&ring->writers, &writer->next, writer)) {
    }
    return writer;
}

jmi_writer_lane *jmi_ring_writer(jmi_ring *ring) {
    jmi_writer_lane *writer = pthread_getspecific(ring->key);
    if (writer == NULL) writer = new_writer(ring);
    if (writer == NULL) return NULL;
    uint32_t pid = jmi_ring_pid(ring);
    if (writer->pid != pid) { /* new, or its lane is the parent's */
        writer->pid = pid;
        writer->lane = NULL;
    }
    if (writer->lane == NULL) claim_any(writer);
    return writer;
}

/* ---- full lanes ---- */

static void ring_doorbell(jmi_writer_lane *writer) {
    writer->rung_at = writer->head;
    atomic_fetch_add_explicit(&writer->ring->header->doorbell, 1, memory_order_release);
    jmi_futex_wake(&writer->ring->header->doorbell);
}

void jmi_ring_half(jmi_writer_lane *writer) {
    writer->tail_seen = atomic_load_explicit(&writer->lane->tail, memory_order_acquire);
    if (writer->head - writer->tail_seen < JMI_SLOTS / 2) return;
    if (writer->head - writer->rung_at >= JMI_SLOTS / 4) ring_doorbell(writer);
}

static bool has_room(jmi_writer_lane *writer, uint32_t need) {
    writer->tail_seen = atomic_load_explicit(&writer->lane->tail, memory_order_acquire);
    return writer->head + need - writer->tail_seen <= JMI_SLOTS;
}

/* Waits in short steps, 100 ms in all. Steps are what is counted: where the whole machine stands
 * still the collector has had no chance either, and gets up to half a second. While it says that it
 * is there and only waits for the file to take what it has, that time begins anew. */
static bool wait_for_room(jmi_writer_lane *writer, uint32_t need, int64_t begin_ns) {
    enum { STEP_US = 200, STEPS = 500, HELP_AFTER = 10 };
    const int64_t limit_ns = JMI_NS_PER_S / 2, longest_ns = 20 * JMI_NS_PER_S;
    jmi_ring *ring = writer->ring;
    _Atomic uint32_t *holding = &ring->header->holding;
    bool can_help = ring->help != NULL && ring->owner_pid == getpid();
    uint32_t held = atomic_load_explicit(holding, memory_order_relaxed);
    int64_t deadline = begin_ns + limit_ns, now = begin_ns;
    for (int i = 0, alone = 0; alone < STEPS && now < deadline && now - begin_ns < longest_ns;
         i++, alone++) {
        if (i % HELP_AFTER == 0) ring_doorbell(writer);
        if (i >= HELP_AFTER && can_help) ring->help(ring->help_context);
        if (has_room(writer, need)) return true;
        usleep(STEP_US);
        now = jm_now_ns();
        uint32_t holds = atomic_load_explicit(holding, memory_order_relaxed);
        if (holds == held) continue;
        held = holds;
        alone = 0;
        deadline = now + limit_ns;
    }
    return false;
}

bool jmi_ring_wait(jmi_writer_lane *writer, uint32_t need) {
    if (has_room(writer, need)) {
        writer->stalled = false;
        return true;
    }
    if (writer->stalled) return false;
    int64_t begin = jm_now_ns();
    bool room = wait_for_room(writer, need, begin);
    atomic_fetch_add_explicit(&writer->ring->header->waited_ns, (uint64_t)(jm_now_ns() - begin),
                              memory_order_relaxed);
    writer->stalled = !room;
    return room;
}
