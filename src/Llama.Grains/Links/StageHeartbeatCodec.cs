using System.Buffers.Binary;
using Llama.Model.Layers;

namespace Llama.Grains.Links;

/// <summary>
/// How far a stage is, as bytes, little-endian: step (8), layers (8), steps in flight (4), time of the layers in 100 ns (8). What later
/// versions put behind these is ignored.
/// </summary>
public static class StageHeartbeatCodec
{
    /// <summary>Bytes of an encoded heartbeat.</summary>
    public const int Bytes = 28;

    /// <summary>Longest heartbeat of any version.</summary>
    public const int MaxBytes = 1024;

    /// <summary>Writes a heartbeat.</summary>
    /// <param name="progress">How far the stage is.</param>
    /// <param name="target">At least <see cref="Bytes"/> bytes.</param>
    public static void Write(RangeProgress progress, Span<byte> target)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(target, progress.Step);
        BinaryPrimitives.WriteInt64LittleEndian(target[8..], progress.Layers);
        BinaryPrimitives.WriteInt32LittleEndian(target[16..], progress.Steps);
        BinaryPrimitives.WriteInt64LittleEndian(target[20..], progress.LayerTime.Ticks);
    }

    /// <summary>Reads a heartbeat.</summary>
    /// <exception cref="LinkException">The bytes are none.</exception>
    public static RangeProgress Read(ReadOnlySpan<byte> source) => source.Length >= Bytes
        ? new RangeProgress(
            BinaryPrimitives.ReadUInt64LittleEndian(source),
            BinaryPrimitives.ReadInt64LittleEndian(source[8..]),
            BinaryPrimitives.ReadInt32LittleEndian(source[16..]),
            TimeSpan.FromTicks(BinaryPrimitives.ReadInt64LittleEndian(source[20..])))
        : throw new LinkException($"A heartbeat has {source.Length} bytes; expected {Bytes} or more.");
}
