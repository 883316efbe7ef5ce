using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using System.Net;
using System.Net.Sockets;
using Llama.Grains.Settings;

namespace Llama.AppHost;

/// <summary>The options of a cluster on this machine.</summary>
[Description("Starts a gateway and silos on this machine, and keeps them running.")]
public sealed record AppHostOptions : IValidatableObject
{
    /// <summary>Folder or GGUF file of the checkpoint.</summary>
    [Description("Folder or .gguf file of the model's checkpoint.")]
    [Required, ExistingCheckpoint]
    public string Model { get; init; } = ShippedModel.Find() ?? "";

    /// <summary>Silo processes.</summary>
    [Description("Silo processes.")]
    [Range(1, 64)]
    public int Silos { get; init; } = 2;

    /// <summary>Copies of the model that work side by side.</summary>
    [Description("Copies of the model that work side by side; each takes at least one silo.")]
    [Range(1, 64)]
    public int Replicas { get; init; } = 1;

    /// <summary>TCP port of the gateway; 0 takes any free one.</summary>
    [Description("Port of the gateway; 0 takes any free one.")]
    [Range(0, 65535)]
    public int Port { get; init; } = 8080;

    /// <summary>Threads that compute in each silo; null for the machine's cores divided by the silos.</summary>
    [Description("Threads that compute in each silo, if not the cores divided by the silos.")]
    [Range(1, 1024)]
    public int? Threads { get; init; }

    /// <summary>The layer range of each stage, as <c>first-end,first-end</c>; null to let the gateway balance them.</summary>
    [Description("Layer range of each stage, first to end, if not balanced by the gateway: 0-6,6-12.")]
    [RegularExpression("[0-9]{1,4}-[0-9]{1,4}(,[0-9]{1,4}-[0-9]{1,4})*", ErrorMessage = "layer ranges like 0-6,6-12")]
    public string? Ranges { get; init; }

    /// <summary>KV memory of one stage at most; null for the gateway's default.</summary>
    [Description("Memory for keys and values of one stage at most, if not the gateway's default.")]
    [Range(typeof(ByteSize), "64KiB", "64TiB")]
    public ByteSize? KvMemory { get; init; }

    /// <summary>Tokens of a step at most; null to let the gateway choose from measured times.</summary>
    [Description("Tokens that the stages compute in one step at most, if not chosen from measured times.")]
    [Range(16, 256)]
    public int? StepTokens { get; init; }

    /// <summary>Context length in tokens, or null for the checkpoint's own.</summary>
    [Description("Context length in tokens, if not the checkpoint's own.")]
    [Range(1, int.MaxValue)]
    public int? Context { get; init; }

    /// <summary>Factor of Llama 3.1's rotary scaling, or null for the checkpoint's own.</summary>
    [Description("Factor of Llama 3.1's rotary scaling, if not the checkpoint's own.")]
    [Range(1.0, 1024.0)]
    public float? RopeFactor { get; init; }

    /// <summary>Name of the chat template, or null for the checkpoint's own.</summary>
    [Description("Name of the chat template, if not the checkpoint's own.")]
    public string? ChatTemplate { get; init; }

    /// <summary>Whether to show all that the processes log, and to have them log details.</summary>
    [Description("Show all that the processes log, and have them log details.")]
    public bool Verbose { get; init; }

    /// <inheritdoc/>
    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (Replicas > Silos)
        {
            yield return new ValidationResult(
                $"is more than there are silos; expected at most {Silos}, or more --silos",
                [nameof(Replicas), nameof(Silos)]);
        }

        if (Ranges?.Split(',').Length is { } ranges && ranges > Silos)
        {
            yield return new ValidationResult(
                $"are more ranges than there are silos; expected at most {Silos}, or more --silos",
                [nameof(Ranges), nameof(Silos)]);
        }

        if (!IsFree(Port))
            yield return new ValidationResult("is in use by another program; choose another port, or 0 for any free one", [nameof(Port)]);
    }

    /// <summary>The port itself, or a free one in place of 0.</summary>
    public int ChoosePort()
    {
        if (Port != 0)
            return Port;
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private static bool IsFree(int port)
    {
        try
        {
            using var listener = new TcpListener(IPAddress.Loopback, port);
            listener.Start();
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }
}
