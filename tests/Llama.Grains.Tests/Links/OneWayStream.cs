namespace Llama.Grains.Tests.Links;

/// <summary>A link on which some bytes come, then nothing more; what is sent into it is lost.</summary>
internal sealed class OneWayStream(byte[] bytes) : MemoryStream(bytes, writable: false)
{
    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) => default;
}
