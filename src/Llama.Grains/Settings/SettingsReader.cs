using System.ComponentModel.DataAnnotations;

namespace Llama.Grains.Settings;

/// <summary>
/// Reads the options of a process into an immutable record: one property an option, named in kebab case on the command line
/// (<c>ChatTemplate</c> is <c>--chat-template</c>). Values come, in rising order, from the record's defaults, the section
/// <c>Llama</c> of <c>appsettings.json</c> beside the program and in the current folder, environment variables
/// (<c>Llama__ChatTemplate</c>) and the command line. All faults are reported together.
/// </summary>
public static class SettingsReader
{
    /// <summary>The exit code of a process whose options are wrong.</summary>
    public const int FaultExitCode = 2;

    /// <summary>
    /// Reads and validates the options of this process. Writes help or version to standard output where those were asked for, and
    /// every fault to standard error.
    /// </summary>
    /// <typeparam name="T">A record with <c>init</c> properties that carry a description, a default and validation attributes.</typeparam>
    /// <param name="args">The command line, without the program's name and the command.</param>
    /// <param name="words">The command, of a program that has several.</param>
    public static SettingsResult<T> Read<T>(IReadOnlyList<string> args, params IReadOnlyList<string> words)
        where T : class, new()
        => Read<T>(args, [AppContext.BaseDirectory, Directory.GetCurrentDirectory()], Console.Out, Console.Error, words);

    internal static SettingsResult<T> Read<T>(
        IReadOnlyList<string> args, IReadOnlyList<string> folders, TextWriter output, TextWriter error, params IReadOnlyList<string> words)
        where T : class, new()
    {
        IReadOnlyList<OptionDefinition> definitions = OptionDefinition.AllOf(new T());
        CommandLine commandLine = CommandLine.Parse(typeof(T), definitions, args, words);
        if (commandLine.Question is { } question)
            return new(null, question(output));

        var faults = new List<string>(commandLine.Faults);
        SettingsSources sources = SettingsSources.Load(folders, commandLine.Values, faults);
        T options = Bind<T>(definitions, sources, faults);
        if (faults.Count == 0)
            return new(options, 0);

        error.WriteLine($"{string.Join(' ', [typeof(T).Assembly.GetName().Name, .. words])} cannot start:");
        foreach (string fault in faults)
            error.WriteLine($"  {fault}");
        error.WriteLine("--help lists the options.");
        return new(null, FaultExitCode);
    }

    private static T Bind<T>(IReadOnlyList<OptionDefinition> definitions, SettingsSources sources, List<string> faults)
        where T : class, new()
    {
        var options = new T();
        var found = new Dictionary<string, FoundValue>();
        var faulty = new HashSet<string>();
        foreach (OptionDefinition definition in definitions)
        {
            if (sources.Find(definition) is { } value)
            {
                found.Add(definition.Key, value);
                if (value.IsText && definition.Type.Parse(value.Text) is { } parsed)
                    definition.Property.SetValue(options, parsed);
                else
                    faulty.Add(definition.Key);
            }

            if (faulty.Contains(definition.Key) || !definition.IsAllowed(options))
            {
                faulty.Add(definition.Key);
                faults.Add(Fault(definition, found.GetValueOrDefault(definition.Key), $"is not allowed; expected {definition.Expected}"));
                // The rules between options may rely on the rules of each.
                definition.Property.SetValue(options, definition.Default);
            }
        }

        if (options is IValidatableObject validatable)
            faults.AddRange(FaultsBetween(validatable, definitions, found, faulty));
        return options;
    }

    /// <summary>Faults that concern several options; those of an option that is faulty by itself would only confuse.</summary>
    private static IEnumerable<string> FaultsBetween(
        IValidatableObject options,
        IReadOnlyList<OptionDefinition> definitions,
        Dictionary<string, FoundValue> found,
        HashSet<string> faulty)
    {
        foreach (ValidationResult result in options.Validate(new ValidationContext(options)))
        {
            if (result.MemberNames.Any(faulty.Contains))
                continue;
            OptionDefinition? definition = definitions.FirstOrDefault(one => one.Key == result.MemberNames.FirstOrDefault());
            yield return definition is null
                ? result.ErrorMessage!
                : Fault(definition, found.GetValueOrDefault(definition.Key) ?? FoundValue.Default(definition), result.ErrorMessage!);
        }
    }

    private static string Fault(OptionDefinition definition, FoundValue? value, string what) => value switch
    {
        null => $"{definition.Name}: is missing; expected {definition.Expected}",
        { IsText: true, Text: "" } => $"{definition.Name}: {what}",
        { IsText: false } => $"{definition.Name}: a list or section {what} ({value.Source})",
        _ => $"{definition.Name}: '{value.Text}' {what} ({value.Source})",
    };
}
