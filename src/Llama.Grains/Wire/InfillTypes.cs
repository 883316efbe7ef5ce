using Llama.Model.Tokenization;

namespace Llama.Grains.Wire;

/// <summary><see cref="InfillPrompt"/> as it travels.</summary>
[GenerateSerializer, Alias("llama.infill-prompt")]
public record struct InfillPromptOnTheWire
{
    /// <summary>The text before the gap.</summary>
    [Id(0)]
    public string Prefix { get; set; }

    /// <summary>The text behind it.</summary>
    [Id(1)]
    public string Suffix { get; set; }

    /// <summary>Names of other files.</summary>
    [Id(2)]
    public string[] Names { get; set; }

    /// <summary>What they say.</summary>
    [Id(3)]
    public string[] Texts { get; set; }
}

/// <summary>Converts <see cref="InfillPrompt"/>.</summary>
[RegisterConverter]
public sealed class InfillPromptConverter : IConverter<InfillPrompt, InfillPromptOnTheWire>
{
    /// <inheritdoc/>
    public InfillPrompt ConvertFromSurrogate(in InfillPromptOnTheWire surrogate) =>
        new(surrogate.Prefix, surrogate.Suffix, [.. surrogate.Names.Zip(surrogate.Texts, (name, text) => new InfillFile(name, text))]);

    /// <inheritdoc/>
    public InfillPromptOnTheWire ConvertToSurrogate(in InfillPrompt value) => new()
    {
        Prefix = value.Prefix,
        Suffix = value.Suffix,
        Names = [.. value.Files.Select(file => file.Name)],
        Texts = [.. value.Files.Select(file => file.Text)],
    };
}
