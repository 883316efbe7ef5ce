using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using Llama.Grains.Settings;

namespace Llama.Tool;

/// <summary>The options of <c>convert</c>.</summary>
[Description("Turns a checkpoint into a GGUF file, with its tokenizer and chat template.")]
internal sealed record ConvertOptions
{
    /// <summary>The checkpoint.</summary>
    [Description("Folder or .gguf file of the checkpoint.")]
    [Required, ExistingCheckpoint]
    public string Model { get; init; } = "";

    /// <summary>Type of the weights.</summary>
    [Description("Type of the weights. Rows of matrices that it does not divide become what llama.cpp makes of them, at last f16; norms are always f32.")]
    [WeightType(writable: true)]
    public string Type { get; init; } = "q8_0";

    /// <summary>The file.</summary>
    [Description("GGUF file to write.")]
    [Required]
    public string Out { get; init; } = "";
}
