/* The commit of a folder, from git's own files. */
#include "book.h"

#include <sys/stat.h>

#define HASH  "0123456789abcdef0123456789abcdef01234567"
#define OTHER "89abcdef0123456789abcdef0123456701234567"

static void put(const char *name, const char *text) {
    char file[256];
    snprintf(file, sizeof file, "%s/%s", folder, name);
    for (char *slash = file + strlen(folder) + 1; (slash = strchr(slash, '/')) != NULL; slash++) {
        *slash = '\0';
        mkdir(file, 0777);
        *slash = '/';
    }
    FILE *out = fopen(file, "w");
    assert_non_null(out);
    fputs(text, out);
    fclose(out);
}

static const char *commit_of(const char *name) {
    static char commit[72];
    char at[256];
    snprintf(at, sizeof at, "%s/%s", folder, name);
    return jmi_git_commit(at, commit) ? commit : "";
}

static void heads_of_all_kinds(void **state) {
    (void)state;
    put("r/.git/HEAD", "ref: refs/heads/main\n");
    put("r/.git/refs/heads/main", HASH "\n");
    put("r/deep/er/x", "");
    assert_string_equal(commit_of("r"), HASH);
    assert_string_equal(commit_of("r/deep/er"), HASH);
    put("p/.git/HEAD", "ref: refs/heads/a/b\n");
    put("p/.git/packed-refs",
        "# pack-refs with: peeled\n" HASH " refs/heads/a\n" OTHER " refs/heads/a/b\n^" HASH "\n");
    assert_string_equal(commit_of("p"), OTHER);
    put("d/.git/HEAD", OTHER "\n");
    assert_string_equal(commit_of("d"), OTHER);
}

static void worktrees(void **state) {
    (void)state;
    char text[256];
    put("r/.git/refs/heads/w", HASH "\n");
    put("r/.git/worktrees/w/HEAD", "ref: refs/heads/w\n");
    put("r/.git/worktrees/w/commondir", "../..\n");
    snprintf(text, sizeof text, "gitdir: %s/r/.git/worktrees/w\n", folder);
    put("w/.git", text);
    assert_string_equal(commit_of("w"), HASH);
    put("s/.git", "gitdir: ../r/.git/worktrees/w\n"); /* a submodule's is relative */
    assert_string_equal(commit_of("s"), HASH);
}

static void what_is_no_commit(void **state) {
    (void)state;
    put("plain/x", "");
    assert_string_equal(commit_of("plain"), "");
    assert_string_equal(commit_of("nowhere"), "");
    put("a/.git/HEAD", "ref: refs/heads/main\n"); /* nothing was committed yet */
    assert_string_equal(commit_of("a"), "");
    put("b/.git/HEAD", "ref: ../../../etc/passwd\n");
    assert_string_equal(commit_of("b"), "");
    put("c/.git/HEAD", "rubbish\n");
    assert_string_equal(commit_of("c"), "");
    put("e/.git", "rubbish\n");
    assert_string_equal(commit_of("e"), "");
    put("f/.git/HEAD", "ref: refs/heads/main\n");
    put("f/.git/refs/heads/main", "0123\n");
    assert_string_equal(commit_of("f"), "");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, book_set_up, book_tear_down)

int main(void) {
    const struct CMUnitTest tests[] = {TEST(heads_of_all_kinds), TEST(worktrees),
                                       TEST(what_is_no_commit)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
