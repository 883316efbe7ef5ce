using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using Llama.Grains.Settings;

namespace Llama.Bench.Fuzz;

/// <summary>Options of <c>Llama.Bench fuzz</c>.</summary>
[Description("Starts a gateway that serves alone, and sends it mutated HTTP and gRPC requests: none may be answered with 500 or not at all.")]
internal sealed record FuzzOptions
{
    /// <summary>The checkpoint.</summary>
    [Description("Folder or .gguf file of the checkpoint.")]
    [Required, ExistingCheckpoint]
    public string Model { get; init; } = "";

    /// <summary>Requests in all.</summary>
    [Description("Requests in all.")]
    [Range(100, 10_000_000)]
    public int Requests { get; init; } = 10_000;

    /// <summary>Requests at the same time.</summary>
    [Description("Requests at the same time.")]
    [Range(1, 1000)]
    public int Clients { get; init; } = 8;

    /// <summary>Says what the requests are.</summary>
    [Description("Seed of the requests.")]
    [Range(0, int.MaxValue)]
    public int Seed { get; init; } = 1;
}
