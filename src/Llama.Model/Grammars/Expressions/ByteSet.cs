using System.Runtime.CompilerServices;

namespace Llama.Model.Grammars.Expressions;

/// <summary>A set of byte values.</summary>
[InlineArray(4)]
internal struct ByteSet : IEquatable<ByteSet>
{
    private ulong bits;

    /// <summary>One value.</summary>
    public static ByteSet Of(byte value) => Range(value, value);

    /// <summary>The values from one to another, both included.</summary>
    public static ByteSet Range(byte first, byte last)
    {
        var set = default(ByteSet);
        for (int value = first; value <= last; value++) set[value >> 6] |= 1UL << (value & 63);
        return set;
    }

    /// <summary>Whether a value is in it.</summary>
    public readonly bool Contains(byte value) => ((this[value >> 6] >> (value & 63)) & 1) != 0;

    /// <summary>The values that are in one of two sets.</summary>
    public readonly ByteSet Union(ByteSet other)
    {
        for (int i = 0; i < 4; i++) other[i] |= this[i];
        return other;
    }

    /// <inheritdoc/>
    public readonly bool Equals(ByteSet other) => ((ReadOnlySpan<ulong>)this).SequenceEqual(other);

    /// <inheritdoc/>
    public override readonly bool Equals(object? obj) => obj is ByteSet other && Equals(other);

    /// <inheritdoc/>
    public override readonly int GetHashCode() => HashCode.Combine(this[0], this[1], this[2], this[3]);
}
