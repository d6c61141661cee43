"""The generated part of docs/reference-cli.md: every command of `entente`, its arguments and options, from click.

    python -m node.reference.command_line docs/reference-cli.md      rewrites it in place

The page is put together from the commands' own declarations, not from their `--help`, whose layout changes with
releases of click.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from textwrap import indent

import click

from node.cli.main import main
from node.reference.generated_parts import rewrite_file, table, with_parts


def commands() -> dict[str, click.Command]:
    """Return every command that does something by its full name, in the order of `--help`."""
    return dict(_below("entente", main, click.Context(main)))


def command_line_text() -> str:
    """Return one section for each command."""
    return "\n\n".join(_section(name, command) for name, command in commands().items())


def rewritten(document: str) -> str:
    """Return a document with its generated part made anew."""
    return with_parts(document, {"commands": command_line_text()})


def _below(name: str, command: click.Command, ctx: click.Context) -> Iterator[tuple[str, click.Command]]:
    if not isinstance(command, click.Group):
        yield name, command
        return
    for each in command.list_commands(ctx):
        found = command.get_command(ctx, each)
        if found is not None and not found.hidden:
            yield from _below(f"{name} {each}", found, ctx)


def _section(name: str, command: click.Command) -> str:
    parts = [f"## {name}"]
    usage = " ".join([name, *(_argument(param) for param in command.params if isinstance(param, click.Argument))])
    options = [param for param in command.params if isinstance(param, click.Option) and not param.hidden]
    parts.append(f"    {usage}" + (" [OPTIONS]" if options else ""))
    if command.help:
        parts.append(_help(command.help))
    if options:
        parts.append(table(("option", "value", "default", "meaning"), [_option(option) for option in options]))
    return "\n\n".join(parts)


def _help(text: str) -> str:
    """Return a command's help as Markdown; what click must not wrap is shown as it is typed."""
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(
        indent(paragraph.removeprefix("\b\n"), "    ") if paragraph.startswith("\b") else paragraph
        for paragraph in paragraphs
    )


def _argument(argument: click.Parameter) -> str:
    name = (argument.metavar or str(argument.name).rstrip("_")).upper().strip("[].")
    name += "…" if argument.nargs == -1 else ""
    return name if argument.required else f"[{name}]"


def _option(option: click.Option) -> list[str]:
    names = ", ".join(f"`{name}`" for name in [*option.opts, *option.secondary_opts])
    words, _, told = (option.help or "").partition("[default: ")
    notes = [words.strip()]
    if option.multiple:
        notes.append("Can be given more than once.")
    if option.envvar:
        notes.append(f"Environment: `{option.envvar}`.")
    return [names, _value(option), told.rstrip("]") or _default(option), " ".join(notes)]


def _value(option: click.Option) -> str:
    if option.is_flag:
        return ""
    kind = option.type
    if isinstance(kind, click.Choice):
        return ", ".join(f"`{choice}`" for choice in kind.choices)
    if isinstance(kind, (click.IntRange, click.FloatRange)):
        least, most = ("" if bound is None else f"{bound:,}" for bound in (kind.min, kind.max))
        return f"{least} … {most}".strip()
    return option.metavar or kind.name


def _default(option: click.Option) -> str:
    if option.required:
        return "required"
    if option.is_flag or not isinstance(option.default, (str, int, Path)):
        return ""
    return f"`{option.default}`" if str(option.default) else ""


if __name__ == "__main__":
    rewrite_file(rewritten)
