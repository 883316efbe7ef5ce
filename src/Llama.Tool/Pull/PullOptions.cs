using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using Llama.Grains.Settings;

namespace Llama.Tool.Pull;

/// <summary>The options of <c>pull</c>.</summary>
[Description("Brings a model, or some layers of it, from a hub that works as Hugging Face's: llama pull ORG/NAME. "
    + "Called again it goes on where it was interrupted, checks what is there, and adds other layers. HF_TOKEN is the token for models that need one.")]
internal sealed record PullOptions
{
    /// <summary>The model.</summary>
    [Description("Name of the model, ORG/NAME.")]
    [Required, RegularExpression("[A-Za-z0-9_.-]{1,96}/[A-Za-z0-9_.-]{1,96}", ErrorMessage = "a name ORG/NAME")]
    public string Name { get; init; } = "";

    /// <summary>Which of several GGUF models.</summary>
    [Description("Part of the name of the GGUF file that is meant, Q4_K_M say, where there are several.")]
    public string? File { get; init; }

    /// <summary>The revision.</summary>
    [Description("Branch, tag or commit.")]
    [RegularExpression("[A-Za-z0-9_./-]{1,128}", ErrorMessage = "a branch, tag or commit")]
    public string Revision { get; init; } = "main";

    /// <summary>The layers, <c>first-end</c>; null for all.</summary>
    [Description("Layers to bring, first to end, if not all: 0-27 are the first 27.")]
    [RegularExpression(LayerRange.Form, ErrorMessage = LayerRange.Expected)]
    public string? Layers { get; init; }

    /// <summary>The folder.</summary>
    [Description("Folder to write to; the last part of the model's name if it is not given.")]
    public string? Out { get; init; }

    /// <summary>The hub.</summary>
    [Description("Address of the hub.")]
    [HttpUrl]
    public string Hub { get; init; } = "https://huggingface.co";
}
