using System.Text.Json;
using System.Text.Json.Serialization;

namespace Llama.Grains.Directory.Etcd;

// The messages of etcd's JSON gateway that are used here (etcd v3 API reference, api_reference_v3 and rpc.proto; JSON mapping of protocol
// buffers: bytes in base64, 64-bit integers as strings, fields of default value left out). Names are those of the proto files.

internal sealed record EtcdRange(byte[] Key, byte[]? RangeEnd);

internal sealed record EtcdPut(byte[] Key, byte[] Value, long Lease);

internal sealed record EtcdCompare(byte[] Key, long ModRevision, string Target = "MOD", string Result = "EQUAL");

internal sealed record EtcdOperation(EtcdPut? RequestPut, EtcdRange? RequestRange);

internal sealed record EtcdTransaction(EtcdCompare[] Compare, EtcdOperation[] Success, EtcdOperation[] Failure);

internal sealed record EtcdLeaseRequest
{
    [JsonPropertyName("ID")]
    public long Id { get; init; }

    [JsonPropertyName("TTL")]
    public long SecondsToLive { get; init; }
}

internal sealed record EtcdWatch(EtcdWatchCreate CreateRequest);

internal sealed record EtcdWatchCreate(byte[] Key, byte[] RangeEnd, long StartRevision);

internal sealed record EtcdCredentials(string Name, string Password);

internal sealed record EtcdHeader(long Revision);

internal sealed record EtcdKeyValue(byte[] Key, byte[]? Value, long ModRevision, long Lease);

internal sealed record EtcdRangeAnswer(EtcdHeader? Header, EtcdKeyValue[]? Kvs);

internal sealed record EtcdTransactionAnswer(EtcdHeader? Header, bool Succeeded, EtcdOperationAnswer[]? Responses);

internal sealed record EtcdOperationAnswer(EtcdRangeAnswer? ResponseRange);

internal sealed record EtcdLeaseAnswer
{
    [JsonPropertyName("ID")]
    public long Id { get; init; }

    [JsonPropertyName("TTL")]
    public long SecondsToLive { get; init; }
}

internal sealed record EtcdToken(string Token);

internal sealed record EtcdNothing;

/// <summary>One message of a stream: a result, or the error that ends it.</summary>
internal sealed record EtcdStreamed<T>(T? Result, JsonElement? Error);

internal sealed record EtcdWatchAnswer(EtcdEvent[]? Events, bool Canceled, string? CancelReason, long CompactRevision);

/// <param name="Type"><c>DELETE</c>; a put is the default.</param>
/// <param name="Kv">What was put, or the key that was deleted.</param>
internal sealed record EtcdEvent(string? Type, EtcdKeyValue Kv);

/// <summary>How these messages are written and read.</summary>
internal static class EtcdJson
{
    public static readonly JsonSerializerOptions Options = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        NumberHandling = JsonNumberHandling.AllowReadingFromString | JsonNumberHandling.WriteAsString,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    };
}
