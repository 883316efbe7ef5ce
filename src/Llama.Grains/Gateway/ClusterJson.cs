using System.Text.Json.Serialization;

namespace Llama.Grains.Gateway;

/// <summary>How <see cref="ClusterStatus"/> and <see cref="ClusterPlan"/> are written, for clients and between gateways.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(ClusterStatus))]
[JsonSerializable(typeof(ClusterPlan))]
public sealed partial class ClusterJson : JsonSerializerContext;
