package main

import (
	"context"
	"flag"
	"fmt"
	"strings"
)

func completionCommand() command {
	return command{
		name:    "completion",
		summary: "prints a script that completes commands and flags in bash",
		about: `Prints a script for bash, which completes commands, flags, and what flags take: words, or files. zsh
takes it too, after "autoload -U +X bashcompinit && bashcompinit".

Examples:
  . <(qntx-embed completion)
  qntx-embed completion >/usr/share/bash-completion/completions/qntx-embed
`,
		flags: func() *flags { return newFlags() },
		run: func(_ context.Context, _ *flags, args []string, c console) error {
			if len(args) > 0 {
				return unexpected(args[0])
			}
			fmt.Fprint(c.out, completion())
			return nil
		},
	}
}

// completion is the script; it is made of the commands and their flags, so that it has what there is.
func completion() string {
	names := []string{"help"}
	var cases strings.Builder
	for _, cmd := range commands() {
		names = append(names, cmd.name)
		flags, values := []string{"--help"}, ""
		cmd.flags().set.VisitAll(func(known *flag.Flag) {
			flags = append(flags, "--"+known.Name)
			if isSwitch(known.Value) {
				return
			}
			words, files := "", ""
			if choice, ok := known.Value.(*choiceValue); ok {
				words = strings.Join(choice.words, " ")
			} else if word, _ := flag.UnquoteUsage(known); word == "FILE" || word == "DIR" {
				files = "-f "
			}
			values += fmt.Sprintf("        --%s) COMPREPLY=($(compgen %s-W '%s' -- \"$word\")); return ;;\n", known.Name, files, words)
		})
		fmt.Fprintf(&cases, "    %s)\n      flags='%s'\n", cmd.name, strings.Join(flags, " "))
		if values != "" {
			fmt.Fprintf(&cases, "      case $before in\n%s      esac\n", values)
		}
		cases.WriteString("      ;;\n")
	}
	return `# Completes qntx-embed in bash; made by "qntx-embed completion".
_qntx_embed() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} flags=
  if [ "$COMP_CWORD" = 1 ] || { [ "$COMP_CWORD" = 2 ] && [ "$before" = help ]; }; then
    COMPREPLY=($(compgen -W '` + strings.Join(names, " ") + `' -- "$word"))
    return
  fi
  case ${COMP_WORDS[1]} in
` + cases.String() + `  esac
  case $word in
    -*) COMPREPLY=($(compgen -W "$flags" -- "$word")) ;;
    *) COMPREPLY=($(compgen -f -- "$word")) ;;
  esac
}
complete -o filenames -F _qntx_embed qntx-embed
`
}
