using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Llama.Model.Kernels;

/// <summary>
/// Some columns of sixteen rows, in two groups of eight that alternate: integers, in the order of <see cref="WordLayout{T}"/>, and for every
/// block sixteen scales.
/// </summary>
/// <param name="scratch">The memory.</param>
/// <param name="integersLength">Floats of it for the integers; the others are for scales.</param>
internal unsafe struct Panel(float* scratch, int integersLength)
{
    /// <summary>Rows of a group.</summary>
    public const int GroupRows = Lanes.Count;

    /// <summary>The integers.</summary>
    public byte* Integers = (byte*)scratch;

    /// <summary>The blocks' scales.</summary>
    public float* Scales = scratch + integersLength;

    /// <summary>The same panel, from its second group on.</summary>
    public readonly Panel Second => this with { Integers = Integers + Vector256<byte>.Count, Scales = Scales + GroupRows };

    /// <summary>The scales of the next block.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public readonly Panel NextScales() => this with { Scales = Scales + (2 * GroupRows) };
}
