/* CPU time of a process and all that descends from it: children that ended and children whose
 * parent ended included. Who is in the tree is looked up once a second; the time of those known is
 * read each time. */
#include "sensor/internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct member {
    int32_t pid;
    int32_t parent;
    uint64_t start;
    uint64_t ticks; /* own and of children that ended, when last read */
    bool alive;
};

struct jmi_process_tree {
    const char *root; /* belongs to the set */
    int32_t pid;
    struct member *members;
    size_t count, capacity;
    uint64_t ended; /* ticks of members that ended without a parent in the tree */
    uint64_t base;  /* ticks when the tree was first read */
    uint64_t last;
    int64_t next_walk_ns;
    bool started;
};

enum { MOST_MEMBERS = 4096 };

jmi_process_tree *jmi_process_tree_new(const char *root) {
    jmi_process_tree *tree = jmi_alloc(1, sizeof *tree);
    if (tree != NULL) tree->root = root;
    return tree;
}

void jmi_process_tree_free(jmi_process_tree *tree) {
    if (tree == NULL) return;
    free(tree->members);
    free(tree);
}

static bool read_stat(const jmi_process_tree *tree, int32_t pid, jmi_pid_stat *stat) {
    char path[4096], text[1024];
    if (!jmi_path(path, sizeof path, tree->root, "/proc/%d/stat", (int)pid)) return false;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) return false;
    ssize_t got = read(fd, text, sizeof text);
    close(fd);
    return got > 0 && jmi_parse_pid_stat(text, (size_t)got, stat) && stat->pid == pid;
}

static struct member *find_member(jmi_process_tree *tree, int32_t pid) {
    for (size_t i = 0; i < tree->count; i++)
        if (tree->members[i].pid == pid) return &tree->members[i];
    return NULL;
}

static void update(struct member *member, const jmi_pid_stat *stat) {
    uint64_t ticks;
    if (__builtin_add_overflow(stat->own, stat->children, &ticks)) return;
    if (ticks > member->ticks) member->ticks = ticks;
    member->parent = stat->parent;
    member->alive = true;
}

/* A pid that was given to another process in the meantime is not a member any more. */
static void refresh(jmi_process_tree *tree) {
    for (size_t i = 0; i < tree->count; i++) {
        jmi_pid_stat stat;
        struct member *member = &tree->members[i];
        member->alive = read_stat(tree, member->pid, &stat) && stat.start == member->start;
        if (member->alive) update(member, &stat);
    }
}

/* Where the parent is in the tree and alive it has waited for the child, and its own reading, made
 * before or after, counts the child's time: only orphans' time would be lost. */
static void bury(jmi_process_tree *tree) {
    size_t kept = 0;
    for (size_t i = 0; i < tree->count; i++) {
        struct member *member = &tree->members[i];
        if (!member->alive) {
            const struct member *parent = find_member(tree, member->parent);
            if (parent == NULL || !parent->alive || parent == member) tree->ended += member->ticks;
        }
    }
    for (size_t i = 0; i < tree->count; i++)
        if (tree->members[i].alive) tree->members[kept++] = tree->members[i];
    tree->count = kept;
}

static void add_member(jmi_process_tree *tree, int32_t pid) {
    jmi_pid_stat stat;
    if (tree->count >= MOST_MEMBERS || find_member(tree, pid) != NULL) return;
    if (!read_stat(tree, pid, &stat) ||
        !jmi_reserve(&tree->members, &tree->capacity, tree->count + 1, sizeof *tree->members))
        return;
    tree->members[tree->count] = (struct member){.pid = pid, .start = stat.start};
    update(&tree->members[tree->count++], &stat);
}

static void add_pids(jmi_process_tree *tree, const char *text, size_t length) {
    int32_t pids[2048];
    size_t count = jmi_parse_pids(text, length, pids, JMI_COUNT(pids));
    for (size_t i = 0; i < count; i++) add_member(tree, pids[i]);
}

static void add_children_of_thread(jmi_process_tree *tree, int32_t pid, const char *thread) {
    char path[4096];
    char text[4096];
    if (!jmi_path(path, sizeof path, tree->root, "/proc/%d/task/%s/children", (int)pid, thread))
        return;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) return;
    size_t kept = 0;
    for (ssize_t got = 1; got > 0 && kept < 16;) { /* no pid is longer than that */
        got = read(fd, text + kept, sizeof text - kept);
        size_t length = kept + (got > 0 ? (size_t)got : 0);
        size_t whole = length; /* a number may be cut in two, unless this is the end */
        while (got > 0 && whole > 0 && text[whole - 1] != ' ' && text[whole - 1] != '\n') whole--;
        add_pids(tree, text, whole);
        kept = length - whole;
        memmove(text, text + whole, kept);
    }
    close(fd);
}

/* Newly found members are appended, and so walked in their turn. */
static void walk(jmi_process_tree *tree) {
    for (size_t i = 0; i < tree->count; i++) {
        char path[4096];
        char **threads;
        int32_t pid = tree->members[i].pid;
        if (!jmi_path(path, sizeof path, tree->root, "/proc/%d/task", (int)pid) ||
            jmi_list_dir(path, "", &threads) != JM_OK)
            continue;
        for (size_t t = 0; threads[t] != NULL; t++) add_children_of_thread(tree, pid, threads[t]);
        jmi_list_free(threads);
    }
}

static uint64_t sum(const jmi_process_tree *tree) {
    uint64_t ticks = tree->ended;
    for (size_t i = 0; i < tree->count; i++) ticks += tree->members[i].ticks;
    return ticks;
}

static void start_over(jmi_process_tree *tree, int32_t pid) {
    tree->pid = pid;
    tree->count = 0;
    tree->ended = 0;
    tree->last = 0;
    tree->next_walk_ns = INT64_MIN;
    tree->started = false;
    add_member(tree, pid);
}

int jmi_process_tree_read(jmi_process_tree *tree, int32_t pid, int64_t now_ns, uint64_t *ticks) {
    if (tree->pid != pid || tree->count == 0) {
        if (tree->pid == pid && tree->started) return JM_NO_DATA; /* it has ended */
        start_over(tree, pid);
        if (tree->count == 0) return JM_NO_DATA;
    } else {
        refresh(tree);
        bury(tree);
    }
    if (now_ns >= tree->next_walk_ns) {
        walk(tree);
        tree->next_walk_ns = now_ns + JMI_NS_PER_S;
    }
    uint64_t now = sum(tree);
    if (!tree->started) tree->base = now;
    tree->started = true;
    /* Time never runs back: a child whose parent ignores it takes its time with it. */
    if (now >= tree->base && now - tree->base > tree->last) tree->last = now - tree->base;
    *ticks = tree->last;
    return JM_OK;
}
