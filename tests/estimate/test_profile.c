/* Profiles: every form that Nsight Compute writes, whole or in pieces, and what is none. */
#include "tables.h"

#include <locale.h>
#include <sys/resource.h>
#include <unistd.h>

#define ROW(id, kernel) WIDE_ROW(id, "4242", "app", kernel, "0", "Tesla V100", "1,000,000")

static const char wide[] = WIDE_HEAD WIDE_UNITS ROW("0", "void k0(float *, int)") ROW("1", "k1")
    ROW("2", "void k0(float *, int)");

static void check_wide(const jm_profile *profile) {
    jm_profile_kernel kernel = {.size = sizeof kernel};
    assert_int_equal(jm_profile_kernel_count(profile), 2);
    assert_int_equal(jm_profile_get(profile, 0, &kernel), JM_OK);
    assert_string_equal(kernel.kernel, "void k0(float *, int)");
    assert_string_equal(kernel.process, "app");
    assert_string_equal(kernel.device, "Tesla V100");
    assert_int_equal(kernel.pid, 4242);
    assert_int_equal(kernel.launches, 2);
    assert_near(kernel.duration_s, 0.002);
    assert_int_equal(jm_profile_get(profile, 2, &kernel), JM_NOT_FOUND);
    assert_near(activity(profile, 0, JM_ACTIVITY_CONSTANT), 1);
    assert_near(activity(profile, 0, JM_ACTIVITY_SM_ACTIVE), 0.75);
    assert_near(activity(profile, 0, JM_ACTIVITY_PIPES), 0.3);
    assert_near(activity(profile, 0, JM_ACTIVITY_ALU), 1);
    assert_near(activity(profile, 0, JM_ACTIVITY_L2), 0.5);
    assert_near(activity(profile, 0, JM_ACTIVITY_DRAM), 0.5);
    assert_near(activity(profile, 0, JM_ACTIVITY_CLOCK), 1e9 / 1.53e9);
    assert_true(isnan(activity(profile, 0, JM_ACTIVITY_NVLINK)));
    assert_true(isnan(activity(profile, 9, JM_ACTIVITY_DRAM)));
}

static void a_column_for_each_metric(void **state) {
    (void)state;
    jm_profile *profile = read_text(wide, JM_OK);
    check_wide(profile);
    jm_profile_free(profile);
}

static void pieces_of_any_length_are_the_same(void **state) {
    (void)state;
    for (size_t step = 1; step < 70; step += 3) {
        jm_profile *profile;
        assert_int_equal(jm_profile_new(&profile, NULL), JM_OK);
        for (size_t at = 0; at < sizeof wide - 1; at += step) {
            size_t length = sizeof wide - 1 - at < step ? sizeof wide - 1 - at : step;
            assert_int_equal(jm_profile_feed(profile, wide + at, length, NULL), JM_OK);
        }
        assert_int_equal(jm_profile_end(profile, NULL), JM_OK);
        check_wide(profile);
        jm_profile_free(profile);
    }
}

static void line_ends_of_windows_and_a_mark_at_the_beginning(void **state) {
    (void)state;
    char text[2 * sizeof wide + 3] = "\xEF\xBB\xBF";
    size_t length = 3;
    for (const char *c = wide; *c != '\0'; c++) {
        if (*c == '\n') text[length++] = '\r';
        text[length++] = *c;
    }
    text[length] = '\0';
    jm_profile *profile = read_text(text, JM_OK);
    check_wide(profile);
    jm_profile_free(profile);
}

static void a_program_talks_in_between(void **state) {
    (void)state;
    static const char text[] =
        "==PROF== Connected to process 4242 (/bin/app)\n"
        "hello, \"world\"\n\n3,1415\n" WIDE_HEAD WIDE_UNITS ROW(
            "0", "void k0(float *, int)") "==PROF== Profiling \"k1\" - 1: 0%....100% - 8 passes\n"
                                          "epoch 1 loss 0.5, \"fine\"\n42 iterations\n" ROW("1",
                                                                                            "k1")
                                              ROW("2", "void k0(float *, int)") "Done.\n==PROF== "
                                                                                "Disconnected from "
                                                                                "process 4242\n";
    jm_profile *profile = read_text(text, JM_OK);
    check_wide(profile);
    assert_int_equal(jm_profile_foreign_lines(profile), 5);
    jm_profile_free(profile);
}

static jm_profile_losses losses_of(const jm_profile *profile) {
    jm_profile_losses lost = {.size = sizeof lost};
    assert_int_equal(jm_profile_lost(profile, &lost), JM_OK);
    return lost;
}

/* Quotes that a program opens do not take the next rows with them, and what is lost is counted. */
static void rows_with_a_programs_output_are_told(void **state) {
    (void)state;
    static const char quotes[] =
        WIDE_HEAD WIDE_UNITS ROW("0", "void k0(float *, int)") "\"never closed\n" ROW(
            "1", "k1") "42 \"and again\nplain\n" ROW("2", "void k0(float *, int)");
    static const char broken[] = WIDE_HEAD WIDE_UNITS ROW(
        "0", "k0") "\"1\",\"4242\",\"app\",\"127.0.0.1"
                   "\",\"k1\",\"1\",\"7\",\"(256, 1, 1)\",\"(80, 1, 1)\",\"0\",\"7.0\",\"Tesla "
                   "V100\",\"1,0step 7\n" ROW("2", "k2") "done 50 %" ROW("3", "k3");
    jm_profile *profile = read_text(quotes, JM_OK);
    check_wide(profile);
    jm_profile_losses lost = losses_of(profile);
    assert_int_equal(lost.foreign_lines, 3);
    assert_int_equal(lost.foreign_line, 4);
    assert_int_equal(lost.broken_rows, 0);
    jm_profile_free(profile);
    profile = read_text(broken, JM_OK);
    assert_int_equal(jm_profile_kernel_count(profile), 2);
    lost = losses_of(profile);
    assert_int_equal(lost.broken_rows, 2);
    assert_int_equal(lost.broken_line, 4);
    assert_int_equal(lost.foreign_lines, 0);
    jm_profile_free(profile);
    assert_int_equal(jm_profile_lost(NULL, &lost), JM_INVALID);
}

/* A file that ends within a number has no such number: 40 of 400 MB would pass for all. */
static void a_row_that_is_cut_off_is_lost(void **state) {
    (void)state;
    char text[sizeof wide];
    memcpy(text, wide, sizeof wide);
    text[sizeof wide - 5] = '\0';
    jm_profile *profile = read_text(text, JM_OK);
    jm_profile_kernel kernel = {.size = sizeof kernel};
    jm_profile_get(profile, 0, &kernel);
    assert_int_equal(kernel.launches, 1);
    assert_int_equal(losses_of(profile).broken_rows, 1);
    assert_int_equal(losses_of(profile).broken_line, 5);
    jm_profile_free(profile);
}

/* As PowerShell's ">" writes it, in pieces of any length. */
static void utf_16(void **state) {
    (void)state;
    static const char name[] =
        "k\xC3\xA9\xE2\x82\xAC\xF0\x9F\x94\x8B"; /* é, the euro sign, a battery */
    static const unsigned char units[2][10] = {
        {'k', 0, 0xE9, 0, 0xAC, 0x20, 0x3D, 0xD8, 0x0B, 0xDD},
        {0, 'k', 0, 0xE9, 0x20, 0xAC, 0xD8, 0x3D, 0xDD, 0x0B}};
    static const char head[] = "ID,Kernel Name,gpu__time_duration.sum [s]\n0,", tail[] = ",2\n";
    for (int kind = 0; kind < 4; kind++) { /* little and big, with a mark and without */
        char text[512];
        size_t length = 0;
        bool big = (kind & 1) != 0;
        if (kind < 2) {
            text[length++] = big ? '\xFE' : '\xFF';
            text[length++] = big ? '\xFF' : '\xFE';
        }
        for (const char *c = head; *c != '\0'; c++, length += 2)
            memcpy(text + length, (char[2]){big ? '\0' : *c, big ? *c : '\0'}, 2);
        memcpy(text + length, units[big], 10);
        length += 10;
        for (const char *c = tail; *c != '\0'; c++, length += 2)
            memcpy(text + length, (char[2]){big ? '\0' : *c, big ? *c : '\0'}, 2);
        for (size_t step = 1; step < 9; step++) {
            jm_profile *profile;
            jm_profile_kernel kernel = {.size = sizeof kernel};
            assert_int_equal(jm_profile_new(&profile, NULL), JM_OK);
            for (size_t at = 0; at < length; at += step)
                assert_int_equal(jm_profile_feed(profile, text + at,
                                                 length - at < step ? length - at : step, NULL),
                                 JM_OK);
            assert_int_equal(jm_profile_end(profile, NULL), JM_OK);
            assert_int_equal(jm_profile_get(profile, 0, &kernel), JM_OK);
            assert_string_equal(kernel.kernel, name);
            assert_near(kernel.duration_s, 2);
            jm_profile_free(profile);
        }
    }
}

/* As a spreadsheet of a country with decimal commas writes it. */
static void other_separators(void **state) {
    (void)state;
    static const char *const texts[] = {
        "\xEF\xBB\xBF"
        "ID;Kernel Name;gpu__time_duration.sum;sm__inst_executed.avg.per_cycle_elapsed\r\n"
        ";;nsecond;inst/cycle\r\n0;\"a; \"\"b\"\"\";1.234.567;0,25\r\n",
        "\"ID\"\t\"Kernel Name\"\t\"gpu__time_duration.sum\"\t"
        "\"sm__inst_executed.avg.per_cycle_elapsed\"\n\t\tnsecond\tinst/cycle\n"
        "0\t\"a; \"\"b\"\"\"\t1,234,567\t0.25\n"};
    for (size_t i = 0; i < JMI_COUNT(texts); i++) {
        jm_profile *profile = read_text(texts[i], JM_OK);
        jm_profile_kernel kernel = {.size = sizeof kernel};
        jm_profile_get(profile, 0, &kernel);
        assert_string_equal(kernel.kernel, "a; \"b\"");
        assert_near(kernel.duration_s, 1.234567e-3);
        assert_near(activity(profile, 0, JM_ACTIVITY_PIPES), 0.1);
        jm_profile_free(profile);
    }
}

static void a_last_line_without_its_end(void **state) {
    (void)state;
    char text[sizeof wide];
    memcpy(text, wide, sizeof wide);
    text[sizeof wide - 2] = '\0';
    jm_profile *profile = read_text(text, JM_OK);
    check_wide(profile);
    jm_profile_free(profile);
}

static void processes_and_boards_are_kept_apart(void **state) {
    (void)state;
    static const char text[] =
        WIDE_HEAD WIDE_UNITS WIDE_ROW("0", "1", "a", "k", "0", "Tesla V100", "1000")
            WIDE_ROW("1", "1", "a", "k", "1", "NVIDIA A100-SXM4-40GB", "1000")
                WIDE_HEAD WIDE_UNITS WIDE_ROW("0", "2", "b", "k", "0", "Tesla V100", "1000");
    jm_profile *profile = read_text(text, JM_OK);
    jm_profile_kernel kernel = {.size = sizeof kernel};
    assert_int_equal(jm_profile_kernel_count(profile), 3);
    jm_profile_get(profile, 1, &kernel);
    assert_string_equal(kernel.device, "NVIDIA A100-SXM4-40GB");
    jm_profile_get(profile, 2, &kernel);
    assert_string_equal(kernel.process, "b");
    assert_int_equal(kernel.pid, 2);
    jm_profile_free(profile);
}

/* Means are by time: a launch of 3 ms counts three times as much as one of 1 ms. */
static void launches_are_weighted_by_time(void **state) {
    (void)state;
    static const char text[] =
        "\"ID\",\"Kernel Name\",\"gpu__time_duration.sum\",\"sm__cycles_active.avg\","
        "\"sm__cycles_elapsed.max\"\n\"\",\"\",\"msecond\",\"cycle\",\"cycle\"\n"
        "\"0\",\"k\",\"1.00\",\"100\",\"100\"\n\"1\",\"k\",\"3.00\",\"20\",\"100\"\n";
    jm_profile *profile = read_text(text, JM_OK);
    assert_near(activity(profile, 0, JM_ACTIVITY_SM_ACTIVE), (1 * 1.0 + 3 * 0.2) / 4);
    jm_profile_free(profile);
}

/* Bytes written alone are not the traffic, nor is half of the sectors. */
static void half_of_a_sum_is_missing(void **state) {
    (void)state;
    static const char text[] =
        "ID,Kernel Name,gpu__time_duration.sum,sm__cycles_elapsed.sum,dram__bytes_read.sum,"
        "dram__bytes_write.sum,dram__throughput.avg.pct_of_peak_sustained_elapsed,"
        "lts__t_sectors_srcunit_tex_op_read.sum,lts__t_sectors_srcunit_tex_op_write.sum,"
        "sm__sass_inst_executed_op_shared_ld.sum,sm__sass_inst_executed_op_shared_st.sum\n"
        ",,second,cycle,byte,byte,%,sector,sector,inst,inst\n"
        "0,share,1,100,n/a,9000000000,40,n/a,10,10,n/a\n"
        "1,nothing,1,100,n/a,0,n/a,10,n/a,n/a,10\n"
        "2,all,1,100,90000000000,0,40,10,10,10,0\n";
    jm_profile *profile = read_text(text, JM_OK);
    assert_near(activity(profile, 0, JM_ACTIVITY_DRAM), 0.4);
    assert_true(isnan(activity(profile, 1, JM_ACTIVITY_DRAM)));
    assert_near(activity(profile, 2, JM_ACTIVITY_DRAM), 0.1);
    for (uint32_t i = 0; i < 2; i++) {
        assert_true(isnan(activity(profile, i, JM_ACTIVITY_L2)));
        assert_true(isnan(activity(profile, i, JM_ACTIVITY_SHARED)));
    }
    assert_near(activity(profile, 2, JM_ACTIVITY_L2), 0.2);
    assert_near(activity(profile, 2, JM_ACTIVITY_SHARED), 0.1);
    jm_profile_free(profile);
}

#define DETAILS_HEAD                                                                               \
    "\"ID\",\"Process ID\",\"Process Name\",\"Host Name\",\"Kernel Name\",\"Context\","            \
    "\"Stream\",\"Block Size\",\"Grid Size\",\"Device\",\"CC\",\"Section Name\","                  \
    "\"Metric Name\",\"Metric Unit\",\"Metric Value\",\"Rule Name\",\"Rule Type\","                \
    "\"Rule Description\"\n"
#define DETAIL(id, kernel, section, name, unit, value)                                             \
    "\"" id "\",\"7\",\"app\",\"127.0.0.1\",\"" kernel                                             \
    "\",\"1\",\"7\",\"(1, 1, 1)\",\"(1, 1, 1)\",\"0\",\"8.0\",\"" section "\",\"" name             \
    "\",\"" unit "\",\"" value "\",\"\",\"\",\"\"\n"
#define RULE(id, kernel)                                                                           \
    "\"" id "\",\"7\",\"app\",\"127.0.0.1\",\"" kernel                                             \
    "\",\"1\",\"7\",\"(1, 1, 1)\",\"(1, 1, 1)\",\"0\",\"8.0\",\"Occupancy\",\"\",\"\",\"\","       \
    "\"Occupancy\",\"OPT\",\"This kernel, \"\"k\"\",\nhas a description of two lines.\"\n"
#define SOL "GPU Speed Of Light Throughput"

static const char details[] = DETAILS_HEAD DETAIL("0", "k", SOL, "DRAM Frequency", "Ghz", "1.21")
    DETAIL("0", "k", SOL, "SM Frequency", "Mhz", "1,000.00")
        DETAIL("0", "k", SOL, "Elapsed Cycles", "cycle", "2,000,000")
            DETAIL("0", "k", SOL, "Memory Throughput", "%", "88.00")
                DETAIL("0", "k", SOL, "Duration", "msecond", "2.00")
                    DETAIL("0", "k", SOL, "L2 Cache Throughput", "%", "25.00")
                        DETAIL("0", "k", SOL, "SM Active Cycles", "cycle", "1,000,000.00")
                            RULE("0", "k") DETAIL("0", "k", "Compute Workload Analysis",
                                                  "Executed Ipc Elapsed", "inst/cycle", "2.00")
                                DETAIL("0", "k", "Memory Workload Analysis", "Memory Throughput",
                                       "Gbyte/second", "450.00")
                                    DETAIL("1", "k", SOL, "Duration", "msecond", "n/a");

static void a_row_for_each_metric(void **state) {
    (void)state;
    jm_profile *profile = read_text(details, JM_OK);
    jm_profile_kernel kernel = {.size = sizeof kernel};
    jm_board board = v100();
    bool approximate;
    assert_int_equal(jm_profile_kernel_count(profile), 1);
    jm_profile_get(profile, 0, &kernel);
    assert_int_equal(kernel.launches, 2);
    assert_string_equal(kernel.device, "0");
    assert_near(kernel.duration_s, 2e-3); /* of that which tells */
    assert_int_equal(kernel.untimed, 1);
    assert_near(activity(profile, 0, JM_ACTIVITY_DRAM), 0.5); /* and not 0.88, nor their mean */
    assert_near(activity(profile, 0, JM_ACTIVITY_SM_ACTIVE), 0.5);
    assert_near(jm_profile_activity(profile, 0, &board, JM_ACTIVITY_PIPES, &approximate), 0.8);
    assert_true(approximate);
    assert_near(jm_profile_activity(profile, 0, &board, JM_ACTIVITY_DRAM, &approximate), 0.5);
    assert_false(approximate);
    jm_profile_free(profile);
}

static void raw_names_in_rows_and_no_sections(void **state) {
    (void)state;
    static const char text[] =
        "\"ID\",\"Kernel Name\",\"Metric Name\",\"Metric Unit\",\"Metric Value\"\n"
        "\"0\",\"k\",\"gpu__time_duration.sum\",\"usecond\",\"2.50\"\n"
        "\"0\",\"k\",\"dram__throughput.avg.pct_of_peak_sustained_elapsed\",\"%\",\"40.00\"\n"
        "\"1\",\"k\",\"gpu__time_duration.sum\",\"msecond\",\"1.00\"\n";
    jm_profile *profile = read_text(text, JM_OK);
    jm_profile_kernel kernel = {.size = sizeof kernel};
    jm_profile_get(profile, 0, &kernel);
    assert_int_equal(kernel.launches, 2);
    assert_near(kernel.duration_s, 2.5e-6 + 1e-3);
    assert_near(activity(profile, 0, JM_ACTIVITY_DRAM), 0.4);
    jm_profile_free(profile);
}

static void units_in_the_header_and_no_quotes(void **state) {
    (void)state;
    static const char text[] = "ID,Kernel Name,Duration [us],Memory Throughput [Gbyte/second]\n"
                               "0,k,1000,90\n1,k,1000,270\n";
    jm_profile *profile = read_text(text, JM_OK);
    jm_profile_kernel kernel = {.size = sizeof kernel};
    jm_profile_get(profile, 0, &kernel);
    assert_near(kernel.duration_s, 2e-3);
    assert_near(activity(profile, 0, JM_ACTIVITY_DRAM), 0.2);
    jm_profile_free(profile);
}

static void expect(const char *text, int status, const char *words) {
    jm_profile *profile;
    jm_error error = {0};
    assert_int_equal(jm_profile_new(&profile, NULL), JM_OK);
    int got = jm_profile_feed(profile, text, strlen(text), &error);
    if (got == JM_OK) got = jm_profile_end(profile, &error);
    jm_profile_free(profile);
    if (got != status || strstr(error.message, words) == NULL)
        fail_msg("%s: %s", jm_status_name(got), error.message);
}

#define UNITLESS(unit, ns, bytes)                                                                  \
    "ID,Kernel Name,gpu__time_duration.sum,dram__bytes_read.sum,dram__bytes_write.sum,"            \
    "sm__inst_executed.avg.per_cycle_elapsed\n" unit "0,k," ns "," bytes ",0,1.5\n"

/* A spreadsheet or a script that drops the row of units leaves ns or ms, bytes or MB: all of a
 * program's time was wrong by a billion. 0 is 0 in any unit, and counts and shares have one. */
static void no_unit_is_not_guessed(void **state) {
    (void)state;
    expect(UNITLESS("", "1000000", "0"), JM_FORMAT,
           "line 2: nothing tells the unit of gpu__time_duration.sum");
    expect(UNITLESS(",,nsecond,,,\n", "1000000", "400"), JM_FORMAT,
           "line 3: nothing tells the unit of dram__bytes_read.sum");
    expect("ID,Kernel Name,Metric Name,Metric Value\n0,k,gpu__time_duration.sum,5\n", JM_FORMAT,
           "line 2: nothing tells the unit");
    jm_profile *profile = read_text(UNITLESS(",,nsecond,,,\n", "1000000", "0"), JM_OK);
    jm_profile_kernel kernel = {.size = sizeof kernel};
    jm_profile_get(profile, 0, &kernel);
    assert_near(kernel.duration_s, 1e-3);
    assert_near(activity(profile, 0, JM_ACTIVITY_DRAM), 0);
    assert_near(activity(profile, 0, JM_ACTIVITY_ISSUE), 1.5 / 4);
    jm_profile_free(profile);
}

#define LOCALE(one, two)                                                                           \
    "\"ID\",\"Kernel Name\",\"gpu__time_duration.sum\",\"sm__inst_executed.avg.per_cycle_elapsed"  \
    "\"\n\"\",\"\",\"nsecond\",\"inst/cycle\"\n\"0\",\"k\",\"" one "\",\"" two "\"\n"

static void numbers_of_other_locales(void **state) {
    (void)state;
    static const char *const texts[] = {LOCALE("1,234,567", "0.25"), LOCALE("1.234.567", "0,25"),
                                        LOCALE("1 234 567", "0,25"),
                                        LOCALE("1\xE2\x80\xAF"
                                               "234\xE2\x80\xAF"
                                               "567",
                                               "0,25"),
                                        LOCALE("1234567", "0.25")};
    static const char *const locales[] = {"C", "de_DE.UTF-8", "fr_FR.UTF-8"};
    for (size_t l = 0; l < JMI_COUNT(locales); l++) {
        if (setlocale(LC_ALL, locales[l]) == NULL) continue;
        for (size_t i = 0; i < JMI_COUNT(texts); i++) {
            jm_profile *profile = read_text(texts[i], JM_OK);
            jm_profile_kernel kernel = {.size = sizeof kernel};
            jm_profile_get(profile, 0, &kernel);
            assert_near(kernel.duration_s, 1.234567e-3);
            assert_near(activity(profile, 0, JM_ACTIVITY_PIPES), 0.1);
            jm_profile_free(profile);
        }
    }
    setlocale(LC_ALL, "C");
}

static void what_went_wrong_is_said(void **state) {
    (void)state;
    expect("", JM_FORMAT, "no table of Nsight Compute");
    expect("some text\nno table\n", JM_FORMAT, "no table of Nsight Compute");
    expect(WIDE_HEAD WIDE_UNITS, JM_NO_DATA, "no kernel was profiled");
    expect("==WARNING== No kernels were profiled.\n", JM_NO_DATA, "ran on the CPU only");
    expect("==ERROR== The application returned an error code (11).\n", JM_NO_DATA,
           "The application returned an error code (11)");
    expect("==ERROR== The application returned an error code (11).\r\n"
           "==WARNING== No kernels were profiled.\n",
           JM_NO_DATA,
           "not followed; Nsight Compute says: The application returned an error code (11).");
    expect("==ERROR== ERR_NVGPUCTRPERM - The user does not have permission to access NVIDIA GPU "
           "Performance Counters on the target device 0.\n",
           JM_PERMISSION, "NVreg_RestrictProfilingToAdminUsers=0");
    expect(
        LOCALE("12 apples", "1"), JM_FORMAT,
        "line 3: '12 apples' is no number that a counter can have: gpu__time_duration.sum of the "
        "kernel k");
    expect("\"ID\",\"Kernel Name\",\"gpu__time_duration.sum\"\n\"0\",\"k\"\n", JM_FORMAT,
           "line 2: a row has not the 3 fields");
    expect(LOCALE("-5", "1"), JM_FORMAT, "line 3: '-5'");
    expect("ID,Kernel Name,gpu__time_duration.sum [fortnight]\n0,k,1\n", JM_FORMAT,
           "'fortnight' of gpu__time_duration.sum");
}

static void a_second_file_begins_anew(void **state) {
    (void)state;
    jm_profile *profile = read_text(wide, JM_OK);
    jm_error error = {0};
    static const char german[] = LOCALE("1.234.567", "0,25");
    assert_int_equal(jm_profile_feed(profile, german, strlen(german), &error), JM_OK);
    assert_int_equal(jm_profile_end(profile, &error), JM_OK);
    assert_int_equal(jm_profile_kernel_count(profile), 3);
    assert_int_equal(jm_profile_end(profile, &error), JM_FORMAT); /* nothing more came */
    jm_profile_free(profile);
}

/* Memory is that of the different kernels: 40 MB of launches, of fifty of them. */
static void memory_does_not_grow_with_launches(void **state) {
    (void)state;
    jm_profile *profile;
    struct rusage before, after;
    char row[1024];
    assert_int_equal(jm_profile_new(&profile, NULL), JM_OK);
    jm_profile_feed(profile, WIDE_HEAD WIDE_UNITS, strlen(WIDE_HEAD WIDE_UNITS), NULL);
    for (int i = 0; i < 8000; i++) {
        snprintf(row, sizeof row, ROW("%d", "k%d"), i, i % 50);
        assert_int_equal(jm_profile_feed(profile, row, strlen(row), NULL), JM_OK);
    }
    getrusage(RUSAGE_SELF, &before);
    for (int i = 8000; i < 100000; i++) {
        snprintf(row, sizeof row, ROW("%d", "k%d"), i, i % 50);
        assert_int_equal(jm_profile_feed(profile, row, strlen(row), NULL), JM_OK);
    }
    assert_int_equal(jm_profile_end(profile, NULL), JM_OK);
    getrusage(RUSAGE_SELF, &after);
    assert_int_equal(jm_profile_kernel_count(profile), 50);
#ifndef JM_SANITIZED
    assert_true(after.ru_maxrss - before.ru_maxrss < 1024);
#endif
    jm_profile_free(profile);
}

static void many_kernels_are_found_again(void **state) {
    (void)state;
    jmi_text text = {0};
    jmi_text_add(&text, "ID,Kernel Name,gpu__time_duration.sum [s]\n");
    for (int pass = 0; pass < 2; pass++)
        for (int i = 0; i < 3000; i++) jmi_text_add(&text, "%d,kernel_%d,1\n", i, i);
    jm_profile *profile = read_text(text.data, JM_OK);
    assert_int_equal(jm_profile_kernel_count(profile), 3000);
    for (uint32_t i = 0; i < 3000; i++) {
        jm_profile_kernel kernel = {.size = sizeof kernel};
        char name[32];
        snprintf(name, sizeof name, "kernel_%u", i);
        jm_profile_get(profile, i, &kernel);
        assert_string_equal(kernel.kernel, name);
        assert_int_equal(kernel.launches, 2);
    }
    jm_profile_free(profile);
    jmi_text_free(&text);
}

static void hostile_tables(void **state) {
    (void)state;
    static const char *const texts[] = {
        "\"ID\",\"Kernel Name\"\n\"0\",\"k",
        "\"ID\",\"Kernel Name\"\n\"0\",\"k\"\"\n",
        "ID,Kernel Name,ID,Kernel Name,Metric Value\n0,k\n0,k,1,l,2\n",
        "\"Metric Name\",\"Metric Value\"\n\"gpu__time_duration.sum\",\"1\"\n",
        "ID,Kernel Name\n,,,,,,\n\n\n,\n0,\n",
        "\"ID\",\"Kernel Name\",\"gpu__time_duration.sum\"\n\"\",\"\"\n\"0\",\"k\",\"1\",\"2\"\n",
        "ID,Kernel Name,gpu__time_duration.sum,gpu__time_duration.sum\n0,k,1,2\n",
        "Metric Name,Metric Name,Metric Value,Metric Value\n,,,\n",
        "ID\nID\nID,\n",
        "\"\n\"\n\"\n",
        "==\n==ERROR==\n==ERROR==                \n",
    };
    for (size_t i = 0; i < JMI_COUNT(texts); i++) {
        jm_profile *profile;
        assert_int_equal(jm_profile_new(&profile, NULL), JM_OK);
        jm_profile_feed(profile, texts[i], strlen(texts[i]), NULL);
        int status = jm_profile_end(profile, NULL);
        assert_true(status == JM_OK || status == JM_FORMAT || status == JM_NO_DATA);
        assert_int_equal(status == JM_OK, jm_profile_kernel_count(profile) > 0);
        jm_profile_free(profile);
    }
}

static void a_record_without_end_is_refused(void **state) {
    (void)state;
    jm_profile *profile;
    jm_error error = {0};
    char *piece = malloc(1 << 20);
    int status = JM_OK, pieces = 0;
    assert_non_null(piece);
    memset(piece, 'x', 1 << 20);
    jm_profile_new(&profile, NULL);
    jm_profile_feed(profile, "ID,Kernel Name\n0,\"", 18, NULL);
    for (; status == JM_OK && pieces < 100; pieces++)
        status = jm_profile_feed(profile, piece, 1 << 20, &error);
    assert_int_equal(status, JM_FORMAT);
    assert_non_null(strstr(error.message, "without end"));
    assert_true(pieces < 40);
    jm_profile_free(profile);
    free(piece);
}

static void files(void **state) {
    (void)state;
    char path[] = "/tmp/jm-profile-XXXXXX";
    jm_profile *profile = NULL;
    jm_error error = {0};
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, wide, sizeof wide - 1), sizeof wide - 1);
    close(fd);
    assert_int_equal(jm_profile_read(&profile, path, &error), JM_OK);
    check_wide(profile);
    jm_profile_free(profile);
    unlink(path);
    assert_int_equal(jm_profile_read(&profile, path, &error), JM_NOT_FOUND);
    assert_null(profile);
    assert_int_equal(jm_profile_read(&profile, "/tmp", &error), JM_SYSTEM);
}

static void nothing_is_legal(void **state) {
    (void)state;
    jm_profile_kernel kernel = {.size = sizeof kernel};
    jm_profile_free(NULL);
    assert_int_equal(jm_profile_kernel_count(NULL), 0);
    assert_int_equal(jm_profile_get(NULL, 0, &kernel), JM_INVALID);
    assert_int_equal(jm_profile_feed(NULL, "", 0, NULL), JM_INVALID);
    assert_int_equal(jm_profile_end(NULL, NULL), JM_INVALID);
    assert_int_equal(jm_profile_new(NULL, NULL), JM_INVALID);
    assert_true(isnan(jm_profile_activity(NULL, 0, NULL, JM_ACTIVITY_DRAM, NULL)));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_column_for_each_metric),
        cmocka_unit_test(pieces_of_any_length_are_the_same),
        cmocka_unit_test(line_ends_of_windows_and_a_mark_at_the_beginning),
        cmocka_unit_test(a_program_talks_in_between),
        cmocka_unit_test(rows_with_a_programs_output_are_told),
        cmocka_unit_test(a_row_that_is_cut_off_is_lost),
        cmocka_unit_test(utf_16),
        cmocka_unit_test(other_separators),
        cmocka_unit_test(a_last_line_without_its_end),
        cmocka_unit_test(processes_and_boards_are_kept_apart),
        cmocka_unit_test(launches_are_weighted_by_time),
        cmocka_unit_test(half_of_a_sum_is_missing),
        cmocka_unit_test(a_row_for_each_metric),
        cmocka_unit_test(raw_names_in_rows_and_no_sections),
        cmocka_unit_test(units_in_the_header_and_no_quotes),
        cmocka_unit_test(no_unit_is_not_guessed),
        cmocka_unit_test(numbers_of_other_locales),
        cmocka_unit_test(what_went_wrong_is_said),
        cmocka_unit_test(a_second_file_begins_anew),
        cmocka_unit_test(memory_does_not_grow_with_launches),
        cmocka_unit_test(many_kernels_are_found_again),
        cmocka_unit_test(hostile_tables),
        cmocka_unit_test(a_record_without_end_is_refused),
        cmocka_unit_test(files),
        cmocka_unit_test(nothing_is_legal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
