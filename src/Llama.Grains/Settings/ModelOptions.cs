using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using Llama.Grains.Certificates;
using Llama.Grains.Directory.Etcd;
using Llama.Model.Checkpoints;
using Llama.Model.KeyValueCache;
using Microsoft.Extensions.Logging;

namespace Llama.Grains.Settings;

/// <summary>Which model a process works with, and the settings of it in which all processes of a cluster must agree.</summary>
public abstract record ModelOptions
{
    /// <summary>Folder or GGUF file of the checkpoint on this machine.</summary>
    [Description("Folder or .gguf file of the model's checkpoint on this machine.")]
    [Required, ExistingCheckpoint]
    public string Model { get; init; } = "";

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

    /// <summary>Where the processes find each other, if not in the gateway.</summary>
    [Description("Where the processes find each other, if not in the gateway: etcd://host:2379, or several hosts with commas between; etcds:// with TLS.")]
    [EtcdAddress]
    public string? Directory { get; init; }

    /// <summary>File with user and password for the directory, or null.</summary>
    [Description($"File with the directory's user:password, which may be in the variable {DirectoryLogin.Variable} instead.")]
    public string? DirectoryLoginFile { get; init; }

    /// <summary>Whether to log details.</summary>
    [Description("Log details.")]
    public virtual bool Verbose { get; init; }

    /// <summary>Opens the directory that these settings name; null where it is the gateway's own.</summary>
    /// <param name="certificate">The certificate of this process, or null.</param>
    /// <param name="time">Measures pauses.</param>
    /// <param name="logger">Told when the directory is reached and when it is away.</param>
    /// <exception cref="InvalidDataException">User and password cannot be used, or a certificate is missing.</exception>
    public EtcdDirectory? OpenDirectory(ProcessCertificate? certificate, TimeProvider time, ILogger logger) => Directory is null
        ? null
        : new EtcdDirectory(EtcdAddress.Parse(Directory), DirectoryLogin.Load(DirectoryLoginFile), time, logger, certificate);

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
