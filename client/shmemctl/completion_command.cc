// completion: what a shell needs to complete command lines of this program.
#include <memory>
#include <set>
#include <string>

#include "client/shmemctl/command_line.h"

namespace shmemd::shmemctl {
namespace {

// Bash breaks words at ":" and "=", also within an endpoint, and replaces only what follows: the words are
// put together again for us, and what bash keeps is taken from the answers.
constexpr char kBash[] = R"sh(# Completes shmemctl in bash: source <(shmemctl completion bash)
_shmemctl() {
    local rest=${COMP_LINE:0:COMP_POINT} trimmed word i
    local -a words=()
    for ((i = 0; i <= COMP_CWORD; i++)); do
        trimmed=${rest#"${rest%%[![:space:]]*}"}
        word=${COMP_WORDS[i]}
        ((i == COMP_CWORD)) && word=$trimmed
        if ((i == 0)) || [[ $trimmed != "$rest" ]]; then
            words+=("$word")
        else
            words[${#words[@]} - 1]+=$word
        fi
        rest=${trimmed#"$word"}
    done
    local program=${words[0]/#\~/$HOME} current=${words[${#words[@]} - 1]} line
    COMPREPLY=()
    while IFS= read -r line; do
        case $line in
            :files)
                compopt -o filenames
                while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen -f -- "${current#--*=}")
                ;;
            :nospace) compopt -o nospace ;;
            :*) ;;
            *) COMPREPLY+=("${line%%$'\t'*}") ;;
        esac
    done < <("$program" __complete "${words[@]:1}" 2>/dev/null)
    local breaks=${COMP_WORDBREAKS//[^:=]/} kept
    if [[ -n $breaks && $current == *["$breaks"]* ]]; then
        kept=${current%"${current##*["$breaks"]}"}
        for i in "${!COMPREPLY[@]}"; do COMPREPLY[i]=${COMPREPLY[i]#"$kept"}; done
    fi
}
complete -F _shmemctl shmemctl
)sh";

constexpr char kZsh[] = R"sh(#compdef shmemctl
# Completes shmemctl in zsh: source <(shmemctl completion zsh), or this file as _shmemctl in a folder of fpath
_shmemctl() {
    local line then
    local -a candidates descriptions space
    for line in "${(@f)$("${(Q)words[1]}" __complete "${(@Q)words[2,CURRENT-1]}" "${(Q)PREFIX}" 2>/dev/null)}"; do
        case $line in
            (:*) then=$line ;;
            (?*)
                candidates+=("${line%%$'\t'*}")
                descriptions+=("${${line/$'\t'/  -- }%  -- }")
                ;;
        esac
    done
    if [[ $then == :files ]]; then
        compset -P '--*='
        _files
        return
    fi
    [[ $then == :nospace ]] && space=(-S '')
    (( $#candidates )) && compadd $space -l -d descriptions -a candidates
}
if [[ $funcstack[1] == _shmemctl ]]; then
    _shmemctl "$@"
else
    compdef _shmemctl shmemctl
fi
)sh";

constexpr char kFish[] = R"sh(# Completes shmemctl in fish: shmemctl completion fish | source
function __shmemctl_complete
    set -l words (commandline -opc)
    set -l current (commandline -ct)
    set -l lines ($words[1] __complete $words[2..-1] "$current" 2>/dev/null)
    if test "$lines[-1]" = :files
        __fish_complete_path (string replace -r -- '^--[^=]*=' '' "$current")
    else
        string match -v -- ':*' $lines
    end
end
complete -c shmemctl -f -a '(__shmemctl_complete)'
)sh";

ExitCode PrintScript(const Context& context, const std::string& shell) {
  context.Print(shell == "bash" ? kBash : shell == "zsh" ? kZsh : kFish);
  return ExitCode::kOk;
}

}  // namespace

void AddCompletionCommand(CommandLine* line) {
  auto shell = std::make_shared<std::string>();
  line->Add("completion", "Print the script with which a shell completes command lines",
            "completion bash > /etc/bash_completion.d/shmemctl\n"
            "completion zsh > /usr/local/share/zsh/site-functions/_shmemctl\n"
            "completion fish > ~/.config/fish/completions/shmemctl.fish",
            [shell](Context& context) { return PrintScript(context, *shell); })
      ->add_option("SHELL", *shell, "The shell")
      ->required()
      ->check(CLI::IsMember(std::set<std::string>{"bash", "fish", "zsh"}));
}

}  // namespace shmemd::shmemctl
