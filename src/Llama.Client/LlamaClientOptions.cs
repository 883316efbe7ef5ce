namespace Llama.Client;

/// <summary>Which gateways are asked, and how.</summary>
public sealed class LlamaClientOptions
{
    /// <summary>
    /// Where gateways or fronts serve gRPC, the preferred one first: <c>http://host:port</c> with the port of <c>--grpc-port</c>, or
    /// <c>https://host:port</c> of a gateway with <c>--tls</c>. The next one is asked when one is lost.
    /// </summary>
    public IList<Uri> Addresses { get; set; } = [];

    /// <summary>The key that a gateway with <c>--api-key-file</c> wants; null for none.</summary>
    public string? ApiKey { get; set; }

    /// <summary>The model of requests that name none; null for the one that is served.</summary>
    public string? Model { get; set; }

    /// <summary>How long a request may take, in all; null for no limit.</summary>
    public TimeSpan? Timeout { get; set; }

    /// <summary>
    /// How long a request waits, after the last token that it got, for a gateway that goes on with its answer. 0 asks once, and without an
    /// idempotency key.
    /// </summary>
    public TimeSpan RecoveryTimeout { get; set; } = TimeSpan.FromSeconds(60);

    /// <summary>
    /// PEM file with the certificate authorities that gateways' certificates must be signed by, such as <c>ca.pem</c> of <c>llama certify</c>;
    /// null for those that the system trusts.
    /// </summary>
    public string? AuthorityFile { get; set; }
}
