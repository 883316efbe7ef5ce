using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using Llama.Grains.Settings;

namespace Llama.Bench.Schemas;

/// <summary>Options of <c>Llama.Bench schemas</c>.</summary>
[Description("Runs a cluster on this machine, has it answer by random JSON schemas whose values have a maximum length, kills a silo in the midst of"
    + " some answers, and checks them all. Linux only.")]
internal sealed record SchemasOptions
{
    /// <summary>Where the model lies.</summary>
    [Description("The model's checkpoint on this machine: a folder or a .gguf file, with a tokenizer; weights may be random.")]
    [Required, ExistingCheckpoint]
    public string Model { get; init; } = "";

    /// <summary>Schemas.</summary>
    [Description("Random schemas, each with one answer.")]
    [Range(1, 1_000_000)]
    public int Count { get; init; } = 1000;

    /// <summary>Of so many answers one is disturbed.</summary>
    [Description("Of so many answers the longest is asked for again, and the silo of a stage killed in its midst and started again; 0 for none.")]
    [Range(0, 1_000_000)]
    public int KillEvery { get; init; } = 10;

    /// <summary>Tokens of an answer.</summary>
    [Description("Most tokens of an answer.")]
    [Range(1, 1_000_000)]
    public int Generate { get; init; } = 512;

    /// <summary>Silos that the gateway expects.</summary>
    [Description("Silos that compute.")]
    [Range(1, 16)]
    public int Silos { get; init; } = 2;

    /// <summary>Silos beyond these.</summary>
    [Description("Silos that stand by.")]
    [Range(0, 16)]
    public int Standbys { get; init; } = 1;

    /// <summary>Seed of schemas, prompts and temperatures.</summary>
    [Description("Seed of the schemas, prompts, temperatures and answers.")]
    [Range(0, int.MaxValue)]
    public int Seed { get; init; } = 1;

    /// <summary>File for what the processes say.</summary>
    [Description("File for all that the processes say.")]
    public string? Log { get; init; }
}
