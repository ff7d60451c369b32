#include "completions_text.h"
#include "options.h"
#include "output.h"

#include <string.h>

static int run(int argc, char **argv) {
    const cli_option options[] = {{0}};
    int operands;
    int code = cli_parse(&cli_completion, options, OPERANDS_MIXED, argc, argv, &operands);
    if (code != PARSE_DONE) return code;
    const char *const *lines = NULL;
    if (operands == 1 && strcmp(argv[1], "bash") == 0) lines = completions_bash;
    if (operands == 1 && strcmp(argv[1], "zsh") == 0) lines = completions_zsh;
    if (lines == NULL)
        return cli_fail(&cli_completion, CLI_USAGE,
                        "name the shell: joulemeter completion bash, or zsh");
    output out;
    output_open(&out);
    for (; *lines != NULL; lines++) output_append(&out, *lines, strlen(*lines));
    return output_close(&out, &cli_completion);
}

const cli_command cli_completion = {"completion",
                                    "bash|zsh",
                                    "print the completions for a shell",
                                    "Installed packages have them in place already.\n",
                                    "  source <(joulemeter completion bash)\n"
                                    "  joulemeter completion zsh > ~/.zfunc/_joulemeter\n",
                                    run};
