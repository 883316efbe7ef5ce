using System.ComponentModel.DataAnnotations;
using System.ComponentModel;
using Llama.Grains.Settings;
using Llama.Model.Checkpoints;
using Llama.Model.KeyValueCache;

namespace Llama.Grains.Options;

/// <summary>Which model a process works with, and the settings of it in which all processes of a cluster must agree.</summary>
public abstract record ModelOptions
{
    /// <summary>Lines for people.</summary>
    public const string TextLog = "text";

    /// <summary>Lines for programs: a JSON object each, with time, level, event id, message and what the message is made of.</summary>
    public const string JsonLog = "json";

    /// <summary>Folder or GGUF file of the checkpoint on this machine.</summary>
    [Description("Folder or .gguf file of the model's checkpoint on this machine.")]
    [Required, ExistingCheckpoint]
    public virtual string Model { get; init; } = "";

    /// <summary>Context length in tokens, or null for the checkpoint's own.</summary>
    [Description("Context length in tokens, if not the checkpoint's own.")]
    [Range(1, int.MaxValue)]
    public int? Context { get; init; }

    /// <summary>Factor of Llama 3.1's rotary scaling, or null for the checkpoint's own.</summary>
    [Description("Factor of Llama 3.1's rotary scaling, if not the checkpoint's own.")]
    [Range(1.0, 1024.0)]
    public float? RopeFactor { get; init; }

    /// <summary>Type that the weights are rounded to while they are loaded, or null to have them as they are stored.</summary>
    [Description("Type that weights stored as f32, f16 or bf16 are rounded to while they are loaded, if not kept as they are.")]
    [WeightType(writable: true)]
    public string? Weights { get; init; }

    /// <summary>Type that keys and values are rounded to when they are written.</summary>
    [Description("Type that keys and values are kept in.")]
    [KvType]
    public string KvType { get; init; } = "f32";

    /// <summary>Whether to log details.</summary>
    [Description("Log details.")]
    public virtual bool Verbose { get; init; }

    /// <summary>How log lines are written: <see cref="TextLog"/> or <see cref="JsonLog"/>.</summary>
    [Description("How log lines are written: text, or json with one object a line.")]
    [AllowedValues(TextLog, JsonLog, ErrorMessage = "text or json")]
    public string LogFormat { get; init; } = TextLog;

    /// <summary>Opens the checkpoint with these settings, all of which its model must allow.</summary>
    /// <param name="threads">Threads to round weights on.</param>
    /// <exception cref="CheckpointException">It cannot be used.</exception>
    public Checkpoint OpenCheckpoint(int threads)
    {
        Checkpoint checkpoint = Checkpoint.Open(Model, new CheckpointOptions
        {
            ContextLength = Context,
            RopeFactor = RopeFactor,
            Weights = Weights is null ? null : WeightTypeAttribute.Parse(Weights),
            Threads = threads,
        });
        try
        {
            KvTypes.Check(KvTypeAttribute.Parse(KvType), checkpoint.Config);
            return checkpoint;
        }
        catch
        {
            checkpoint.Dispose();
            throw;
        }
    }
}
