using System.ComponentModel;
using System.ComponentModel.DataAnnotations;
using Llama.Grains.Certificates;

namespace Llama.Bench.Link;

/// <summary>Options of <c>Llama.Bench link</c>.</summary>
[Description("Measures the round trip of a step over a link on this machine, handshake and all.")]
public sealed record LinkOptions : IValidatableObject
{
    /// <summary>Bytes of hidden states.</summary>
    [Description("Bytes of the step's hidden states.")]
    [Range(4, 1 << 26)]
    public int Bytes { get; init; } = 1 << 14;

    /// <summary>Measured round trips.</summary>
    [Description("Measured round trips, after a tenth as many that are not.")]
    [Range(10, 10_000_000)]
    public int Rounds { get; init; } = 20_000;

    /// <summary>Folder with the certificate of both ends; null for a link without TLS.</summary>
    [Description("Folder with ca.pem, node.pem and node.key, for a link over TLS.")]
    public string? Tls { get; init; }

    /// <inheritdoc/>
    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext) => CertificateFolder.Validate(Tls);
}
