# bash completion for joulemeter                                  -*- shell-script -*-

_joulemeter_words() {
    local IFS=$' \t\n'
    COMPREPLY=($(compgen -W "$1" -- "$2"))
}

_joulemeter_files() {
    local IFS=$'\n'
    compopt -o filenames 2>/dev/null
    COMPREPLY=($(compgen -f -- "$1"))
}

_joulemeter_limit() {
    local what=${COMP_WORDS[2]} i
    if ((COMP_CWORD == 2)) && [[ $cur != -* ]]; then
        _joulemeter_words "show set reset tune" "$cur"
        return
    fi
    for ((i = 3; i < COMP_CWORD; i++)); do
        if [[ ${COMP_WORDS[i]} == -- ]]; then
            if declare -F _command_offset >/dev/null; then
                _command_offset $((i + 1))
            elif ((i + 1 == COMP_CWORD)); then
                COMPREPLY=($(compgen -c -- "$cur"))
            else
                _joulemeter_files "$cur"
            fi
            return
        fi
    done
    case $prev in
    -g | --gpu) _joulemeter_words "all 0 1 2 3 4 5 6 7" "$cur"; return ;;
    --simulate) _joulemeter_words "v100 a100 h100 h200 gh200 3090 4090 b200" "$cur"; return ;;
    --socket) _joulemeter_files "$cur"; return ;;
    -m | --objective) _joulemeter_words "ed2p edp energy time slowdown=5% cost=" "$cur"; return ;;
    -n | --trials) _joulemeter_words "4 6 8" "$cur"; return ;;
    -t | --time) _joulemeter_words "10s 30s 60s" "$cur"; return ;;
    -o | --output | --plot) _joulemeter_files "$cur"; return ;;
    --items) _joulemeter_words "batch epoch nvtx phase" "$cur"; return ;;
    --lowest | --highest) _joulemeter_words "90% 80% 70% 60% 50%" "$cur"; return ;;
    --tolerance | --warmup) return ;;
    -w | --while) [[ $what == tune ]] && return
        COMPREPLY=($(compgen -W "$$ $(command ls /proc | command grep '^[0-9]')" -- "$cur")); return ;;
    esac
    case $what in
    set)
        if [[ $prev == -c || $prev == --clock ]]; then
            return
        elif [[ $cur == -* ]]; then
            _joulemeter_words "--gpu --keep --while --clock --json --quiet --socket --simulate --help --" "$cur"
        else
            _joulemeter_words "90% 80% 70% 60% 50%" "$cur"
        fi
        ;;
    tune)
        if [[ $cur == -* ]]; then
            _joulemeter_words "--objective --gpu --clock --trials --tolerance --time --lowest --highest --steer --rerun --items --no-nvtx --warmup --keep --output --json --plot --show-output --quiet --socket --simulate --help --" "$cur"
        else
            COMPREPLY=($(compgen -c -- "$cur"))
        fi
        ;;
    reset) _joulemeter_words "--gpu --default --clock --force --json --quiet --socket --simulate --help" "$cur" ;;
    *) _joulemeter_words "--gpu --json --simulate --help" "$cur" ;;
    esac
}

_joulemeter() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
    local commands="run repeat compare show attribute estimate plot report export sql log devices doctor calibrate limit config completion help"
    local command=${COMP_WORDS[1]} i
    COMPREPLY=()
    if ((COMP_CWORD == 1)); then
        _joulemeter_words "$commands --help --version" "$cur"
        return
    fi
    if [[ $command == run || $command == repeat ]]; then
        # Past the options everything belongs to the measured command.
        for ((i = 2; i < COMP_CWORD; i++)); do
            case ${COMP_WORDS[i]} in
            -o | --output | -i | --interval | -g | --gpu | -b | --idle-baseline | --tdp | \
                --project | --tag | --comment | --country | --intensity | --pue | --price | \
                --simulate | -n | --runs | -w | --warmup | -c | --cooldown | --cooldown-limit | \
                --intervals) ((i++)) ;;
            -e | --export) ((i += 2)) ;;
            --) ((i++)); break ;;
            -*) ;;
            *) break ;;
            esac
        done
        if ((i <= COMP_CWORD)) && [[ ${COMP_WORDS[i-1]} == -- || ${COMP_WORDS[i]} != -* ]] &&
            ! [[ $prev == -[oigbnwce] || ${COMP_WORDS[COMP_CWORD-2]} == @(-e|--export) ||
                $prev == --@(output|project|tag|comment|country|intensity|pue|price|interval|intervals|gpu|idle-baseline|tdp|simulate|runs|warmup|cooldown|cooldown-limit|export) ]]; then
            if declare -F _command_offset >/dev/null; then
                _command_offset "$i"
            elif ((i == COMP_CWORD)); then
                COMPREPLY=($(compgen -c -- "$cur"))
            else
                _joulemeter_files "$cur"
            fi
            return
        fi
    fi
    if [[ ${COMP_WORDS[COMP_CWORD-2]} == @(-e|--export) ]]; then
        _joulemeter_files "$cur"
        return
    fi
    if [[ $command == estimate ]]; then
        case $prev in
        -m | --mode) _joulemeter_words "min avg peak all" "$cur"; return ;;
        -a | --application) COMPREPLY=($(compgen -c -- "$cur")); return ;;
        -c | --csv | --model | --ncu | --keep) _joulemeter_files "$cur"; return ;;
        -g | --gpu | --board) _joulemeter_words "v100 a100 h100 h200 gh200 3090 4090 b200" "$cur"; return ;;
        -d | --duration) _joulemeter_words "10s 30s 2m" "$cur"; return ;;
        -s | --argument | --temperature | --source | --program | --kernel | --skip | --launches) return ;;
        esac
    fi
    if [[ $prev == --cooldown || ($prev == -c && $command == @(repeat|compare)) ]]; then
        _joulemeter_words "stable 5s 30s" "$cur"
        return
    fi
    if [[ $command == limit ]]; then
        _joulemeter_limit
        return
    fi
    case $prev in
    -o | --output | --cache | --intensity | --file) _joulemeter_files "$cur"; return ;;
    -i | --interval) _joulemeter_words "1ms 10ms 20ms 100ms 1s" "$cur"; return ;;
    -g | --gpu) _joulemeter_words "all none 0 1 2 3 4 5 6 7" "$cur"; return ;;
    --intervals) _joulemeter_words "5ms,20ms,100ms" "$cur"; return ;;
    -e | --export) _joulemeter_words "csv json markdown benchmark" "$cur"; return ;;
    --runs | -w | --warmup) _joulemeter_words "1 3 5 10 20 50" "$cur"; return ;;
    --names | --seed | --project | --tag | --comment | --price | --since | --before) return ;;
    --country) _joulemeter_words "FR DE GB US CN IN JP none" "$cur"; return ;;
    --pue) _joulemeter_words "1.1 1.2 1.3 1.5" "$cur"; return ;;
    -b | --idle-baseline | -t | --time | --cooldown-limit) _joulemeter_words "5s 10s 30s 60s" "$cur"; return ;;
    --simulate) _joulemeter_words "v100 a100 h100 h200 gh200 3090 4090 b200" "$cur"; return ;;
    -n | --top) _joulemeter_words "5 10 20 50" "$cur"; return ;;
    --tdp | --title | --max-size) return ;;
    --figs) _joulemeter_words "power_time gpu_util_time mem_util_time util_time_dual energy_rate power_derivative cumulative_energy power_hist util_hist power_ecdf util_ecdf power_boxplot_phase util_boxplot_phase phase_energy_bar phase_time_bar power_util_scatter power_util_hexbin energy_by_device layer_energy_bar layer_energy_treemap layer_type_energy_bar layer_energy_spread kernel_energy_bar" "$cur"; return ;;
    --format) _joulemeter_words "pdf svg png" "$cur"; return ;;
    --width) _joulemeter_words "column page" "$cur"; return ;;
    --smooth) _joulemeter_words "5 10 50" "$cur"; return ;;
    --by)
        if [[ $command == log ]]; then
            _joulemeter_words "project month" "$cur"
            return
        fi
        _joulemeter_words "layer kernel nvtx phase epoch batch user" "$cur"; return ;;
    --method) _joulemeter_words "regression time_share boundary" "$cur"; return ;;
    -p | --phase) return ;;
    --split) _joulemeter_words "grid stream grid,stream" "$cur"; return ;;
    --device) _joulemeter_words "gpus total gpu0 gpu1 cpu0" "$cur"; return ;;
    --clock) _joulemeter_words "monotonic utc" "$cur"; return ;;
    -l | --load) COMPREPLY=($(compgen -c -- "$cur")); return ;;
    esac
    local options="--help"
    case $command in
    run) options+=" --output --force --interval --gpu --json --idle-baseline --quiet --nvtx --no-nvtx --kernels --follow --no-follow --log --no-log --project --tag --comment --country --intensity --pue --price --tdp --simulate --" ;;
    repeat) options+=" --runs --warmup --cooldown --cooldown-limit --interval --intervals --gpu --output --force --json --export --show-output --ignore-failure --quiet --log --no-log --project --tag --comment --tdp --simulate --" ;;
    compare) options+=" --runs --warmup --cooldown --cooldown-limit --seed --names --interval --gpu --output --force --json --export --show-output --ignore-failure --quiet --log --no-log --project --tag --comment --tdp --simulate" ;;
    show) options+=" --json --top --no-figures --carbon --country --intensity --pue --price" ;;
    attribute) options+=" --by --split --phase --device --method --net --tree --flame --top --json --calls --csv" ;;
    estimate)
        case ${COMP_WORDS[2]} in
        train) options+=" --output --gpu --source" ;;
        collect) options+=" --output --program --kernel --skip --launches --board --ncu --gpu --simulate --" ;;
        *) options+=" --mode --application --argument --csv --gpu --duration --temperature --model --ncu --keep --output --json --top" ;;
        esac
        ((COMP_CWORD == 2)) && [[ $cur != -* ]] && { _joulemeter_words "train collect" "$cur"; return; } ;;
    plot) options+=" --figs --all --list --output --format --width --smooth --no-phases --raw --top --device --script --quiet" ;;
    report) options+=" --output --title --max-size --open --quiet --country --intensity --pue --price" ;;
    export) options+=" --perfetto --clock --tables --quiet" ;;
    sql) options+=" --json --csv" ;;
    log) options+=" --project --tag --since --before --last --by --output --latex --yes --file" ;;
    config) options+=" --json" ;;
    devices) options+=" --gpu --json --simulate" ;;
    doctor) options+=" --gpu --json --verbose --simulate" ;;
    calibrate) options+=" --time --load --gpu --cache --json --simulate" ;;
    completion) _joulemeter_words "bash zsh --help" "$cur"; return ;;
    help) _joulemeter_words "$commands" "$cur"; return ;;
    *) return ;;
    esac
    if [[ $cur == -* ]]; then
        _joulemeter_words "$options" "$cur"
    elif [[ $command == log && $prev == export ]]; then
        _joulemeter_words "csv json markdown sql powermeter codecarbon" "$cur"
    elif [[ $command == log ]] && ((COMP_CWORD == 2)); then
        _joulemeter_words "list show totals export statement prune" "$cur"
    elif [[ $command == config ]] && ((COMP_CWORD == 2)); then
        _joulemeter_words "list get set unset path" "$cur"
    elif [[ $command == config && $prev == @(get|set|unset) ]]; then
        _joulemeter_words "log log_path project user tag carbon.country carbon.intensity carbon.intensity_u carbon.pue carbon.price carbon.currency carbon.water" "$cur"
    elif [[ $command == compare ]]; then
        COMPREPLY=($(compgen -c -- "$cur"))
    elif [[ $command == @(show|attribute|estimate|plot|report|export) || $command == sql ]]; then
        _joulemeter_files "$cur"
    fi
}

complete -F _joulemeter joulemeter
