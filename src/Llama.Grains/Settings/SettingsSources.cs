using Microsoft.Extensions.Configuration;

namespace Llama.Grains.Settings;

/// <summary>A value as text, and where it came from.</summary>
/// <param name="Text">The text.</param>
/// <param name="Source">The source, for messages.</param>
/// <param name="IsText">False for a JSON list or object where one value belongs.</param>
internal sealed record FoundValue(string Text, string Source, bool IsText = true)
{
    /// <summary>The value that an option has when no source sets it.</summary>
    public static FoundValue Default(OptionDefinition definition) => new(definition.DefaultText ?? "", "default");
}

/// <summary>The sources of settings in the order in which they are asked, each with a name for messages.</summary>
internal sealed class SettingsSources
{
    /// <summary>The section of a file and the prefix of an environment variable.</summary>
    public const string Section = "Llama";

    private const string FileName = "appsettings.json";
    private const string EnvironmentName = "environment";
    private const string CommandLineName = "command line";

    private readonly IReadOnlyList<(IConfigurationProvider Provider, string Name)> _highestFirst;

    private SettingsSources(IReadOnlyList<(IConfigurationProvider Provider, string Name)> highestFirst) => _highestFirst = highestFirst;

    /// <summary>Loads all sources.</summary>
    /// <param name="folders">Where <c>appsettings.json</c> is looked for; a later one wins.</param>
    /// <param name="commandLine">Values of the command line by property name.</param>
    /// <param name="faults">Takes a message for each file that cannot be read.</param>
    public static SettingsSources Load(IReadOnlyList<string> folders, IReadOnlyDictionary<string, string> commandLine, List<string> faults)
    {
        var builder = new ConfigurationBuilder();
        string[] files = [.. folders.Select(folder => Path.GetFullPath(FileName, folder)).Distinct()];
        foreach (string file in files)
        {
            builder.AddJsonFile(source =>
            {
                source.Path = file;
                source.Optional = true;
                source.OnLoadException = failure =>
                {
                    faults.Add($"{file}: {(failure.Exception.InnerException ?? failure.Exception).Message}");
                    failure.Ignore = true;
                };
                source.ResolveFileProvider();
            });
        }

        builder.AddEnvironmentVariables();
        builder.AddInMemoryCollection(commandLine.Select(pair => KeyValuePair.Create($"{Section}:{pair.Key}", (string?)pair.Value)));
        string[] names = [.. files, EnvironmentName, CommandLineName];
        return new([.. builder.Build().Providers.Zip(names).Reverse()]);
    }

    /// <summary>The value of the highest source that sets the option; null where none does. An empty value does not set it.</summary>
    public FoundValue? Find(OptionDefinition definition)
    {
        string key = $"{Section}:{definition.Key}";
        foreach ((IConfigurationProvider provider, string name) in _highestFirst)
        {
            if (provider.TryGet(key, out string? text) && !string.IsNullOrWhiteSpace(text))
                return new(text.Trim(), name == EnvironmentName ? $"environment, {definition.EnvironmentVariable}" : name);
            if (provider.GetChildKeys([], key).Any())
                return new("", name, IsText: false);
        }

        return null;
    }
}
