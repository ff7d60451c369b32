/* Which GPUs are measured: by index, UUID, prefix, MIG instance; PCI order against CUDA order. */
#include "tree.h"

enum { GPUS = 12 };

struct machine {
    jmi_gpu gpus[GPUS];
    char uuid[GPUS][64];
    char pci[GPUS][32];
    char mig[GPUS][128];
    size_t count;
    char note[400];
    jm_error error;
};

static void fill(struct machine *m, size_t count, const char *model) {
    memset(m, 0, sizeof *m);
    m->count = count;
    for (size_t i = 0; i < count; i++) {
        snprintf(m->uuid[i], sizeof m->uuid[i], "GPU-%c%zu00-7796-4570-822b-3765ac22b99e",
                 (char)('a' + i), i % 3);
        snprintf(m->pci[i], sizeof m->pci[i], "0000:%02zX:00.0", i + 1);
        m->gpus[i] = (jmi_gpu){.vendor = "NVIDIA",
                               .model = model,
                               .uuid = m->uuid[i],
                               .pci = m->pci[i],
                               .mig = m->mig[i],
                               .index = (uint32_t)i,
                               .cuda = true};
    }
}

static int choose(struct machine *m, const char *gpus, const char *visible, const char *order) {
    jmi_selection selection = {gpus, visible, order};
    return jmi_select_gpus(m->gpus, m->count, &selection, m->note, sizeof m->note, &m->error);
}

/* "0 2 " */
static const char *chosen(const struct machine *m) {
    static char text[128];
    text[0] = '\0';
    for (size_t i = 0; i < m->count; i++)
        if (m->gpus[i].selected)
            snprintf(text + strlen(text), sizeof text - strlen(text), "%zu ", i);
    return text;
}

static void by_the_user(void **state) {
    (void)state;
    static const struct {
        const char *gpus, *expected;
    } cases[] = {
        {"all", "0 1 2 3 4 5 6 7 8 9 10 11 "},
        {"ALL", "0 1 2 3 4 5 6 7 8 9 10 11 "},
        {"none", ""},
        {"0", "0 "},
        {"10", "10 "}, /* perun read this as 1 */
        {"1", "1 "},
        {"0,2", "0 2 "},
        {" 2 , 0,2", "0 2 "},
        {"gpu11", "11 "},
        {"GPU-b100-7796-4570-822b-3765ac22b99e", "1 "},
        {"gpu-B1", "1 "},
        {"GPU-c", "2 "},
        {"0000:03:00.0,GPU-a", "0 2 "},
    };
    for (size_t i = 0; i < JMI_COUNT(cases); i++) {
        struct machine m;
        fill(&m, GPUS, "NVIDIA H100");
        assert_int_equal(choose(&m, cases[i].gpus, "3", NULL), JM_OK);
        assert_string_equal(chosen(&m), cases[i].expected);
    }
}

static void wrong_names_say_what_there_is(void **state) {
    (void)state;
    static const char *const wrong[] = {
        "12",      "GPU-zz", "-1", "1;2", "h100", "0,,1", "99999999999999999999",
        "MIG-123", "1.5",    "0x1"};
    for (size_t i = 0; i < JMI_COUNT(wrong); i++) {
        struct machine m;
        fill(&m, GPUS, "NVIDIA H100");
        int status = choose(&m, wrong[i], NULL, NULL);
        assert_true(status == JM_NOT_FOUND || status == JM_INVALID);
        assert_true(strlen(m.error.message) > 10);
        if (status == JM_NOT_FOUND) assert_non_null(strstr(m.error.message, "NVIDIA H100"));
    }
    struct machine m;
    fill(&m, 2, "NVIDIA H100");
    assert_int_equal(choose(&m, "GPU-", NULL, NULL), JM_INVALID); /* not unique */
    assert_non_null(strstr(m.error.message, "GPU-a000"));
    fill(&m, 0, "");
    assert_int_equal(choose(&m, "0", NULL, NULL), JM_NOT_FOUND);
    assert_int_equal(choose(&m, "all", NULL, NULL), JM_OK);
}

static void by_cuda_visible_devices(void **state) {
    (void)state;
    static const struct {
        const char *visible, *expected;
        bool note;
    } cases[] = {
        {"0,1", "0 1 ", false},
        {"10", "10 ", false},
        {"", "", true},
        {"-1", "", true},
        {"NoDevFiles", "", true},
        {"2,-1,0", "2 ", true}, /* CUDA stops at the first that is not there */
        {"0,99,1", "0 ", true},
        {"1, 3", "1 3 ", false},
        {"GPU-d", "3 ", false},
        {"GPU-a000-7796-4570-822b-3765ac22b99e,GPU-b1", "0 1 ", false},
        {"GPU-", "", true}, /* not unique */
        {"0,1x,2", "0 ", true},
    };
    for (size_t i = 0; i < JMI_COUNT(cases); i++) {
        struct machine m;
        fill(&m, GPUS, "NVIDIA H100");
        assert_int_equal(choose(&m, NULL, cases[i].visible, NULL), JM_OK);
        assert_string_equal(chosen(&m), cases[i].expected);
        assert_int_equal(m.note[0] != '\0', cases[i].note);
    }
    struct machine m;
    fill(&m, 3, "NVIDIA H100");
    assert_int_equal(choose(&m, NULL, NULL, NULL), JM_OK);
    assert_string_equal(chosen(&m), "0 1 2 ");
}

static void mig_instances_name_their_board(void **state) {
    (void)state;
    struct machine m;
    fill(&m, 3, "NVIDIA A100");
    snprintf(m.mig[1], sizeof m.mig[1], "MIG-11111111-aaaa MIG-22222222-bbbb ");
    snprintf(m.mig[2], sizeof m.mig[2], "MIG-33333333-cccc ");
    assert_int_equal(choose(&m, NULL, "MIG-22222222-bbbb", NULL), JM_OK);
    assert_string_equal(chosen(&m), "1 ");
    assert_int_equal(choose(&m, "MIG-3", NULL, NULL), JM_OK);
    assert_string_equal(chosen(&m), "2 ");
    /* As drivers before 470 wrote it. */
    assert_int_equal(choose(&m, NULL, "MIG-GPU-a000-7796-4570-822b-3765ac22b99e/1/0", NULL), JM_OK);
    assert_string_equal(chosen(&m), "0 ");
    assert_int_equal(choose(&m, NULL, "MIG-GPU-a000-7796-4570-822b-3765ac22b99exx/1/0", NULL),
                     JM_OK);
    assert_string_equal(chosen(&m), "");
}

static void cuda_order_is_not_guessed_silently(void **state) {
    (void)state;
    struct machine m;
    fill(&m, 3, "NVIDIA A100");
    m.gpus[2].model = "NVIDIA H100";
    choose(&m, NULL, "0", NULL);
    assert_non_null(strstr(m.note, "CUDA_DEVICE_ORDER=PCI_BUS_ID"));
    choose(&m, NULL, "0", "FASTEST_FIRST");
    assert_non_null(strstr(m.note, "CUDA_DEVICE_ORDER=PCI_BUS_ID"));
    choose(&m, NULL, "0", "PCI_BUS_ID");
    assert_string_equal(m.note, "");
    assert_string_equal(chosen(&m), "0 ");
    choose(&m, NULL, "GPU-c", NULL); /* a UUID is a UUID in any order */
    assert_string_equal(m.note, "");
    choose(&m, NULL, "2,1,0", NULL); /* all of them, in whatever order */
    assert_string_equal(m.note, "");
    m.gpus[2].model = m.gpus[0].model; /* equally fast: CUDA's order is PCI's */
    choose(&m, NULL, "0", NULL);
    assert_string_equal(m.note, "");
}

static void other_makers_gpus_are_not_cudas(void **state) {
    (void)state;
    struct machine m;
    fill(&m, 3, "NVIDIA A100");
    m.gpus[2].cuda = false;
    m.gpus[2].vendor = "AMD";
    choose(&m, NULL, "1", NULL);
    assert_string_equal(chosen(&m), "1 2 ");
    choose(&m, NULL, "2", NULL); /* CUDA has two only */
    assert_string_equal(chosen(&m), "2 ");
    assert_int_equal(choose(&m, "2", NULL, NULL), JM_OK);
    assert_string_equal(chosen(&m), "2 ");
}

static void long_lists_and_names_do_no_harm(void **state) {
    (void)state;
    struct machine m;
    char *list = malloc(100001);
    assert_non_null(list);
    memset(list, 'G', 100000);
    list[100000] = '\0';
    fill(&m, GPUS, "NVIDIA H100");
    assert_int_not_equal(choose(&m, list, NULL, NULL), JM_OK);
    assert_int_equal(choose(&m, NULL, list, NULL), JM_OK);
    memset(list, ',', 100000);
    assert_int_equal(choose(&m, NULL, list, NULL), JM_OK);
    free(list);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_the_user),
        cmocka_unit_test(wrong_names_say_what_there_is),
        cmocka_unit_test(by_cuda_visible_devices),
        cmocka_unit_test(mig_instances_name_their_board),
        cmocka_unit_test(cuda_order_is_not_guessed_silently),
        cmocka_unit_test(other_makers_gpus_are_not_cudas),
        cmocka_unit_test(long_lists_and_names_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
