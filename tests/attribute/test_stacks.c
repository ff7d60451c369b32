/* Stacks: calls by where they stand, in trees that are as they should be and in such as are not. */
#include "world.h"

typedef struct stacks {
    jm_stacks *made;
    jm_stack list[64];
    uint32_t count;
} stacks;

static stacks make(const told *t) {
    stacks s = {.made = NULL};
    jm_error error = {0};
    if (jm_stacks_make(&s.made, t->attribution, the_world.recording, &error) != JM_OK)
        fail_msg("%s", error.message);
    s.count = jm_stacks_count(s.made);
    for (uint32_t i = 0; i < s.count && i < 64; i++) {
        s.list[i] = (jm_stack)JM_STACK_INIT;
        assert_int_equal(jm_stacks_get(s.made, i, &s.list[i]), JM_OK);
        /* Outer ones come before inner ones. */
        uint32_t parent = s.list[i].parent;
        assert_true(parent == JM_NO_STACK ? s.list[i].depth == 0 : parent < i);
        if (parent != JM_NO_STACK) assert_int_equal(s.list[i].depth, s.list[parent].depth + 1);
    }
    return s;
}

static const jm_stack *find(const stacks *s, const char *outer, const char *name) {
    for (uint32_t i = 0; i < s->count && i < 64; i++) {
        uint32_t parent = s->list[i].parent;
        const char *around = parent == JM_NO_STACK ? "" : s->list[parent].name;
        if (strcmp(s->list[i].name, name) == 0 && strcmp(around, outer) == 0) return &s->list[i];
    }
    fail_msg("there is no %s in %s", name, outer);
    return NULL;
}

static jm_range_id add(jm_category category, const char *name, double begin_s, double end_s,
                       jm_range_id parent) {
    jm_range range = JM_RANGE_INIT;
    range.begin_ns = at(begin_s);
    range.end_ns = at(end_s);
    range.category = category;
    range.name = name;
    range.parent = parent;
    range.attributes = range.device = "";
    jm_error error = {0};
    if (jm_recording_add_range(the_world.recording, &range, &error) != JM_OK)
        fail_msg("%s", error.message);
    return range.id;
}

/* Twenty steps: step { load 100 W, compute 300 W { inner 200 W } }, each in a phase. */
static void step_world(void) {
    world_open(7);
    jm_range_id phase = add(JM_CATEGORY_PHASE, "train", 0, 20, 0);
    for (int i = 0; i < 20; i++) {
        double t = the_world.now_s;
        jm_range_id step = add(JM_CATEGORY_NVTX, "step", t, t + 1, phase);
        add(JM_CATEGORY_NVTX, "load", t, t + 0.25, step);
        jm_range_id compute = add(JM_CATEGORY_NVTX, "compute", t + 0.25, t + 1, step);
        add(JM_CATEGORY_NVTX, "load", t + 0.5, t + 0.75, compute);
        world_draw(0.25, 100);
        world_draw(0.25, 300);
        world_draw(0.25, 100);
        world_draw(0.25, 300);
    }
    world_sense(world_gpu("gpu0"), 0.02, 0.02);
}

static void test_tree(void **state) {
    (void)state;
    step_world();
    told t = tell(the_world.recording, NULL);
    stacks s = make(&t);
    assert_int_equal(s.count, 5);
    const jm_stack *train = find(&s, "", "train"), *step = find(&s, "train", "step");
    const jm_stack *compute = find(&s, "step", "compute"), *load = find(&s, "step", "load");
    const jm_stack *inner = find(&s, "compute", "load");
    /* The phase is none of the parts: it is told of for what is in it. */
    assert_int_equal(train->calls, 0);
    assert_true(train->energy_j == 0 && train->depth == 0);
    assert_int_equal(step->calls, 20);
    assert_int_equal(inner->calls, 20);
    assert_true(fabs(compute->time_s - 10) < 1e-6 && fabs(compute->inclusive_time_s - 15) < 1e-6);
    assert_true(fabs(compute->energy_j - 3000) < 100);
    /* One part, two places: each has its own time's worth. */
    assert_true(fabs(load->energy_j - 500) < 30 && fabs(inner->energy_j - 500) < 30);
    assert_true(fabs(load->energy_j + inner->energy_j - part_named(&t, "load")->energy.energy_j) <
                1e-6);
    assert_true(load->u95_j + inner->u95_j <= part_named(&t, "load")->energy.u95_j * (1 + 1e-9));
    double own = 0;
    for (uint32_t i = 0; i < s.count; i++) own += s.list[i].energy_j;
    assert_true(fabs(own - train->inclusive_j) < 1e-6);
    assert_true(fabs(own - t.info.sum.energy_j + t.info.gap.energy_j) < 1e-3);
    /* The most energy first. */
    assert_ptr_equal(compute, step + 1);
    jm_stacks_free(s.made);
    told_free(&t);
    world_close();
}

/* Parents that are not there, that are their own, that go in circles. */
static void test_wrong_parents(void **state) {
    (void)state;
    world_open(8);
    jm_range_id next = 1000;
    for (int i = 0; i < 40; i++) {
        jm_range range = JM_RANGE_INIT;
        double t = the_world.now_s;
        range.id = next + (uint64_t)i;
        range.parent = i % 4 == 0   ? range.id
                       : i % 4 == 1 ? range.id + 1
                       : i % 4 == 2 ? range.id - 1
                                    : 77;
        range.begin_ns = at(t);
        range.end_ns = at(t + 0.25);
        range.category = JM_CATEGORY_KERNEL;
        range.name = i % 2 ? "odd" : "even";
        range.attributes = range.device = "";
        assert_int_equal(jm_recording_add_range(the_world.recording, &range, NULL), JM_OK);
        world_draw(0.25, i % 2 ? 300 : 100);
    }
    world_sense(world_gpu("gpu0"), 0.02, 0.02);
    told t = tell(the_world.recording, NULL);
    stacks s = make(&t);
    uint64_t calls = 0;
    for (uint32_t i = 0; i < s.count && i < 64; i++) calls += s.list[i].calls;
    assert_true(s.count < 10);
    assert_int_equal(calls, 40);
    jm_stacks_free(s.made);
    told_free(&t);
    world_close();
}

/* Further in than anything is written: what is too deep begins anew. */
static void test_deep(void **state) {
    (void)state;
    enum { DEEP = 5000 };
    world_open(9);
    jm_range_id parent = 0;
    for (int i = 0; i < DEEP; i++)
        parent = add(JM_CATEGORY_NVTX, "deep", i * 1e-4, 10 - i * 1e-4, parent);
    world_draw(10, 200);
    world_sense(world_gpu("gpu0"), 0.02, 0.02);
    told t = tell(the_world.recording, NULL);
    stacks s = make(&t);
    uint64_t calls = 0;
    double energy_j = 0;
    for (uint32_t i = 0; i < s.count; i++) {
        jm_stack one = JM_STACK_INIT;
        assert_int_equal(jm_stacks_get(s.made, i, &one), JM_OK);
        calls += one.calls;
        energy_j += one.energy_j;
    }
    assert_int_equal(calls, DEEP);
    assert_true(fabs(energy_j - 2000) < 60);
    jm_stacks_free(s.made);
    told_free(&t);
    world_close();
}

static void test_nothing(void **state) {
    (void)state;
    jm_stacks *s = (jm_stacks *)&s;
    jm_stack one = JM_STACK_INIT;
    jm_error error = {0};
    assert_int_equal(jm_stacks_make(&s, NULL, NULL, &error), JM_INVALID);
    assert_null(s);
    assert_int_equal(jm_stacks_make(NULL, NULL, NULL, NULL), JM_INVALID);
    assert_int_equal(jm_stacks_count(NULL), 0);
    assert_int_equal(jm_stacks_get(NULL, 0, &one), JM_INVALID);
    jm_stacks_free(NULL);
    step_world();
    told t = tell(the_world.recording, NULL);
    stacks made = make(&t);
    assert_int_equal(jm_stacks_get(made.made, made.count, &one), JM_NOT_FOUND);
    assert_int_equal(jm_stacks_get(made.made, 0, NULL), JM_INVALID);
    /* A caller of an older version gets what it knows of. */
    one.size = offsetof(jm_stack, calls);
    one.calls = 12345;
    assert_int_equal(jm_stacks_get(made.made, 0, &one), JM_OK);
    assert_int_equal(one.calls, 12345);
    jm_stacks_free(made.made);
    told_free(&t);
    world_close();
}

/* A range that a device ran, or one whose attributes and stream matter. */
static void add_on(jm_category category, const char *name, const char *device, double begin_s,
                   double end_s, jm_range_id *id, jm_range_id parent) {
    jm_range range = JM_RANGE_INIT;
    range.begin_ns = at(begin_s);
    range.end_ns = at(end_s);
    range.category = category;
    range.name = name;
    range.attributes = "{\"grid\":[4,2,1],\"block\":[128,1,1],\"graph\":7}";
    range.device = device;
    range.stream = begin_s - (double)(int)begin_s < 0.3 ? 7 : 8;
    range.parent = parent;
    assert_int_equal(jm_recording_add_range(the_world.recording, &range, NULL), JM_OK);
    if (id != NULL) *id = range.id;
}

/* Steps of model { block { kernels } }, and a kernel between two of them, all launched by "loop".
 */
static void layer_world(void) {
    world_open(11);
    uint32_t gpu0 = world_gpu("gpu0");
    world_gpu("gpu1");
    jm_range_id loop = add(JM_CATEGORY_NVTX, "loop", 0, 20, 0), model;
    for (int i = 0; i < 20; i++) {
        double t = the_world.now_s;
        add_on(JM_CATEGORY_LAYER, "model", "gpu0", t, t + 0.7, &model, 0);
        add_on(JM_CATEGORY_LAYER, "block", "gpu0", t + 0.1, t + 0.45, NULL, model);
        add_on(JM_CATEGORY_LAYER, "other", "gpu1", t, t + 1, NULL, 0);
        add_on(JM_CATEGORY_KERNEL, "gemm", "gpu0", t + 0.15, t + 0.25, NULL, loop);
        add_on(JM_CATEGORY_KERNEL, "gemm", "gpu0", t + 0.35, t + 0.44999, NULL, loop);
        add_on(JM_CATEGORY_KERNEL, "gemm", "gpu0", t + 0.45, t + 0.6, NULL, loop);
        add_on(JM_CATEGORY_KERNEL, "copy", "gpu0", t + 0.8, t + 0.9, NULL, loop);
        world_draw(0.5, 300);
        world_draw(0.5, 100);
    }
    world_sense(gpu0, 0.02, 0.02);
}

/* By times on the device: in the innermost layer, else in what launched it. */
static void test_layers(void **state) {
    (void)state;
    layer_world();
    jm_attribution_options options = JM_ATTRIBUTION_OPTIONS_INIT;
    options.categories = 1u << JM_CATEGORY_KERNEL;
    told t = tell(the_world.recording, &options);
    stacks s = make(&t);
    assert_int_equal(find(&s, "block", "gemm")->calls, 40);
    assert_int_equal(find(&s, "model", "gemm")->calls, 20);
    assert_int_equal(find(&s, "loop", "copy")->calls, 20);
    assert_int_equal(find(&s, "", "model")->depth, 0);
    for (uint32_t i = 0; i < s.count; i++) assert_string_not_equal(s.list[i].name, "other");
    jm_stacks_free(s.made);
    told_free(&t);
    world_close();
}

/* Kernels of one name by how they were launched, in the table and in the tree. */
static void test_split(void **state) {
    (void)state;
    layer_world();
    jm_attribution_options options = JM_ATTRIBUTION_OPTIONS_INIT;
    options.categories = 1u << JM_CATEGORY_KERNEL;
    options.split = JM_SPLIT_GRID | JM_SPLIT_STREAM;
    told t = tell(the_world.recording, &options);
    assert_int_equal(t.part_count, 3);
    stacks s = make(&t);
    assert_int_equal(find(&s, "block", "gemm <4x2x1, 128x1x1> (stream 7)")->calls, 20);
    assert_int_equal(find(&s, "block", "gemm <4x2x1, 128x1x1> (stream 8)")->calls, 20);
    assert_int_equal(find(&s, "model", "gemm <4x2x1, 128x1x1> (stream 8)")->calls, 20);
    jm_stacks_free(s.made);
    told_free(&t);
    options.split = JM_SPLIT_STREAM;
    options.categories |= 1u << JM_CATEGORY_LAYER;
    options.device = 0;
    t = tell(the_world.recording, &options);
    assert_int_equal(t.part_count, 5); /* layers have the names that they have */
    told_free(&t);
    options.split = 4;
    jm_attribution *a;
    assert_int_equal(jm_attribute(&a, the_world.recording, &options, NULL), JM_INVALID);
    world_close();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tree),   cmocka_unit_test(test_wrong_parents),
        cmocka_unit_test(test_deep),   cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_layers), cmocka_unit_test(test_split),
    };
    return cmocka_run_group_tests_name("attribute stacks", tests, NULL, NULL);
}
