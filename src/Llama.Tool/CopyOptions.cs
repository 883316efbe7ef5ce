using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using Llama.Grains.Settings;

namespace Llama.Tool;

/// <summary>The options of <c>copy</c>.</summary>
[Description("Copies of a checkpoint what a silo needs for some layers, with its configuration and tokenizer. "
    + "Called again it goes on where it was interrupted, checks what is there, and adds other layers.")]
internal sealed record CopyOptions
{
    /// <summary>The checkpoint.</summary>
    [Description("Folder or .gguf file of the checkpoint, on a shared file system perhaps.")]
    [Required, ExistingCheckpoint]
    public string Model { get; init; } = "";

    /// <summary>The layers, <c>first-end</c>; null for all.</summary>
    [Description("Layers to copy, first to end, if not all: 0-27 are the first 27.")]
    [RegularExpression("[0-9]{1,4}-[0-9]{1,4}", ErrorMessage = "a range of layers like 0-27")]
    public string? Layers { get; init; }

    /// <summary>The folder.</summary>
    [Description("Folder to copy to.")]
    [Required]
    public string Out { get; init; } = "";

    /// <summary>First layer, and the one after the last; null for the model's end.</summary>
    public (int First, int? End) Range => Layers?.Split('-') is [var first, var end] ? (Number(first), Number(end)) : (0, null);

    private static int Number(string text) => int.Parse(text, System.Globalization.CultureInfo.InvariantCulture);
}
