using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using Llama.Grains.Settings;

namespace Llama.Tool;

/// <summary>The options of <c>make</c>.</summary>
[Description("Writes a GGUF file of random weights in the shape of a released model.")]
internal sealed record MakeOptions : IValidatableObject
{
    /// <summary>Name of the shape.</summary>
    [Description("Shape: stories42m, stories110m, llama-3.2-1b, llama-3-8b, llama-2-13b or llama-3-70b.")]
    [Required]
    public string Shape { get; init; } = "";

    /// <summary>Type of the weights.</summary>
    [Description("Type of the weights. Rows that it does not divide become q8_0 or else f16; norms are always f32.")]
    [WeightType(writable: false)]
    public string Type { get; init; } = "q8_0";

    /// <summary>Where the tokenizer is taken from; null for a made-up vocabulary.</summary>
    [Description("Folder or .gguf file whose tokenizer the model gets, and as many rows as it has tokens. Default: a made-up vocabulary of the shape's size.")]
    [ExistingCheckpoint]
    public string? Tokenizer { get; init; }

    /// <summary>The file.</summary>
    [Description("GGUF file to write.")]
    [Required]
    public string Out { get; init; } = "";

    /// <summary>Seed of the weights.</summary>
    [Description("Seed of the weights: the same one gives the same file.")]
    [Range(0, int.MaxValue)]
    public int Seed { get; init; } = 1;

    /// <inheritdoc/>
    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (Shape.Length > 0 && !ModelShapes.ByName.ContainsKey(Shape))
            yield return new ValidationResult($"is no shape; expected one of {string.Join(", ", ModelShapes.ByName.Keys)}", [nameof(Shape)]);
    }
}
