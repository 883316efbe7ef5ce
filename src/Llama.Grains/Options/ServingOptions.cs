using System.ComponentModel.DataAnnotations;
using System.ComponentModel;
using Llama.Grains.Settings;
using Llama.Model.Layers;

namespace Llama.Grains.Options;

/// <summary>How a cluster serves its model: what a gateway is told, by its user or by the program that starts it.</summary>
public abstract record ServingOptions : DeviceOptions
{
    /// <summary>TCP port that HTTP listens on; 0 takes any free one.</summary>
    [Description("Port of the gateway; 0 takes any free one.")]
    [Range(0, 65535)]
    public int Port { get; init; } = 8080;

    /// <summary>TCP port that gRPC listens on without TLS; 0 takes any free one, null is none.</summary>
    [Description("Port of the gateway for gRPC without TLS; 0 takes any free one. With --tls gRPC is on the same port as HTTPS.")]
    [Range(0, 65535)]
    public int? GrpcPort { get; init; }

    /// <summary>Copies of the model that work side by side.</summary>
    [Description("Copies of the model that work side by side; each takes at least one silo.")]
    [Range(1, 64)]
    public int Replicas { get; init; } = 1;

    /// <summary>The layer range of each stage, as <c>first-end,first-end</c>; null to let the gateway balance them.</summary>
    [Description("Layer range of each stage, first to end, if not balanced by the gateway: 0-6,6-12.")]
    [RegularExpression("[0-9]{1,4}-[0-9]{1,4}(,[0-9]{1,4}-[0-9]{1,4})*", ErrorMessage = "layer ranges like 0-6,6-12")]
    public string? Ranges { get; init; }

    /// <summary>Tokens of a step at most; null to choose from measured times.</summary>
    [Description("Tokens that the stages compute in one step at most, if not chosen from measured times.")]
    [Range(16, Step.MaxTokens)]
    public int? StepTokens { get; init; }

    /// <summary>Folder with this process's certificate; null for no TLS.</summary>
    [Description("Folder with ca.pem, node.pem and node.key, to speak only TLS with other processes, and HTTPS with clients.")]
    public string? Tls { get; init; }

    /// <summary>Name of the chat template, or null for the checkpoint's own.</summary>
    [Description("Name of the chat template, if not the checkpoint's own.")]
    [ChatTemplateName]
    public string? ChatTemplate { get; init; }

    /// <summary>What to do with a field of a request that nobody knows: <c>refuse</c> or <c>ignore</c>.</summary>
    [Description("What becomes of a request with a field that nobody knows: refuse it, or ignore the field.")]
    [AllowedValues("refuse", "ignore", ErrorMessage = "refuse or ignore")]
    public string UnknownFields { get; init; } = "refuse";

    /// <summary>How hidden states become the vector of a text: <c>mean</c> or <c>last</c>.</summary>
    [Description("How the hidden states of a text become its embedding, where a request does not say: their mean, or the last one.")]
    [AllowedValues("mean", "last", ErrorMessage = "mean or last")]
    public string Pooling { get; init; } = "mean";
}
