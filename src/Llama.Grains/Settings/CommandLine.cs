using System.CommandLine;
using System.CommandLine.Invocation;
using System.CommandLine.Parsing;
using System.ComponentModel;
using System.Reflection;

namespace Llama.Grains.Settings;

/// <summary>A parsed command line: texts by option, not yet values, so that the faults of all sources can be told together.</summary>
internal sealed class CommandLine
{
    private readonly Dictionary<string, string> _values = [];
    private readonly List<string> _faults = [];

    private CommandLine()
    {
    }

    /// <summary>The texts that were given, by property name.</summary>
    public IReadOnlyDictionary<string, string> Values => _values;

    /// <summary>What is wrong with the command line as such.</summary>
    public IReadOnlyList<string> Faults => _faults;

    /// <summary>Answers <c>--help</c> or <c>--version</c> and returns the exit code; null where neither was asked.</summary>
    public Func<TextWriter, int>? Question { get; private set; }

    /// <summary>Parses a command line.</summary>
    /// <param name="record">The options record; its description is the program's.</param>
    /// <param name="definitions">The options that are known.</param>
    /// <param name="args">The command line, without the program's name and the command.</param>
    /// <param name="words">The command, of a program that has several.</param>
    public static CommandLine Parse(
        Type record, IReadOnlyList<OptionDefinition> definitions, IReadOnlyList<string> args, params IReadOnlyList<string> words)
    {
        var program = new RootCommand(record.GetCustomAttribute<DescriptionAttribute>()?.Description ?? "");
        Command command = program;
        foreach (string word in words)
        {
            var inner = new Command(word, program.Description);
            command.Subcommands.Add(inner);
            command = inner;
        }

        if (command != program) command.Options.Add(new VersionOption());

        Dictionary<OptionDefinition, Option<string[]>> options = definitions.ToDictionary(definition => definition, ToOption);
        foreach (Option<string[]> option in options.Values)
            command.Options.Add(option);

        ParseResult parsed = program.Parse([.. words, .. args], new ParserConfiguration { EnablePosixBundling = false, ResponseFileTokenReplacer = null });
        var commandLine = new CommandLine();
        if (parsed.Action is not (null or ParseErrorAction))
            commandLine.Question = output => parsed.Invoke(new InvocationConfiguration { Output = output });

        commandLine.TakeUnknown([.. parsed.UnmatchedTokens], [.. program.Options.Union(command.Options).Select(option => option.Name)]);
        foreach ((OptionDefinition definition, Option<string[]> option) in options)
        {
            if (parsed.GetResult(option) is { Implicit: false } result)
                commandLine.Take(definition, result);
        }

        return commandLine;
    }

    /// <summary>Any number of values is let through, so that a wrong number gets a message like every other fault.</summary>
    private static Option<string[]> ToOption(OptionDefinition definition) => new(definition.Name)
    {
        Arity = ArgumentArity.ZeroOrMore,
        Description = $"{definition.Description} Environment: {definition.EnvironmentVariable}.",
        HelpName = definition.Type.Placeholder,
        DefaultValueFactory = _ => definition.DefaultText is { } text ? [text] : [],
    };

    private void Take(OptionDefinition definition, OptionResult result)
    {
        if (result.IdentifierTokenCount > 1)
            _faults.Add($"{definition.Name}: is given {result.IdentifierTokenCount} times; expected once (command line)");
        else if (result.Tokens is [{ Value: var text }] && !string.IsNullOrWhiteSpace(text))
            _values.Add(definition.Key, text);
        else if (definition.IsSwitch && result.Tokens.Count == 0)
            _values.Add(definition.Key, "true");
        else
            _faults.Add($"{definition.Name}: has no value; expected {definition.Expected} (command line)");
    }

    private void TakeUnknown(IReadOnlyList<string> tokens, IReadOnlyList<string> known)
    {
        bool afterOption = false;
        foreach (string token in tokens)
        {
            bool isOption = token.StartsWith('-');
            string name = token.Split('=')[0];
            if (isOption && NearestName.Find(name, known) is { } nearest)
                _faults.Add($"{name}: is unknown; did you mean {nearest}? (command line)");
            else if (isOption)
                _faults.Add($"{name}: is unknown (command line)");
            else if (!afterOption)
                _faults.Add($"'{token}': belongs to no option (command line)");
            // What follows an unknown option is taken for its value and not reported twice.
            afterOption = isOption;
        }
    }
}
