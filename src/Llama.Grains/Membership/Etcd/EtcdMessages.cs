using System.Text.Json.Serialization;

namespace Llama.Grains.Membership.Etcd;

// The messages of etcd's JSON gateway that are used here (etcd v3 API reference, api_reference_v3 and rpc.proto; JSON mapping of protocol
// buffers: bytes in base64, 64-bit integers as strings, fields of default value left out). Names are those of the proto files.

internal sealed record EtcdRange(byte[] Key);

internal sealed record EtcdPut(byte[] Key, byte[] Value);

/// <summary>A comparison holds for one of the two revisions; 0 is that of a key that is not there.</summary>
internal sealed record EtcdCompare(byte[] Key, string Target, long? ModRevision = null, long? CreateRevision = null, string Result = "EQUAL");

internal sealed record EtcdOperation(EtcdPut RequestPut);

internal sealed record EtcdTransaction(EtcdCompare[] Compare, EtcdOperation[] Success);

internal sealed record EtcdCredentials(string Name, string Password);

internal sealed record EtcdKeyValue(byte[]? Value, long ModRevision, long CreateRevision);

internal sealed record EtcdRangeAnswer(EtcdKeyValue[]? Kvs);

internal sealed record EtcdTransactionAnswer(bool Succeeded);

internal sealed record EtcdToken(string Token);

/// <summary>How these messages are written and read.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    NumberHandling = JsonNumberHandling.AllowReadingFromString | JsonNumberHandling.WriteAsString,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(EtcdRange))]
[JsonSerializable(typeof(EtcdTransaction))]
[JsonSerializable(typeof(EtcdCredentials))]
[JsonSerializable(typeof(EtcdRangeAnswer))]
[JsonSerializable(typeof(EtcdTransactionAnswer))]
[JsonSerializable(typeof(EtcdToken))]
internal sealed partial class EtcdJson : JsonSerializerContext;
