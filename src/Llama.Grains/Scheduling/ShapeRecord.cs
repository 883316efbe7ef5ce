using System.Runtime.InteropServices;
using Llama.Model.Layers;

namespace Llama.Grains.Scheduling;

/// <summary>
/// The shapes (<see cref="Step.ShapeOf"/>) that a sequence's positions were computed in for the first time, by itself or by another whose blocks it found
/// in the cache: where bits depend on them, whatever is computed again is computed in the same. Two bytes for each token of a sequence.
/// </summary>
internal sealed class ShapeRecord
{
    private readonly List<ushort> shapes = [];

    /// <summary>Positions that are recorded, from the first on.</summary>
    public int Count => shapes.Count;

    /// <summary>The shapes of some recorded positions.</summary>
    public ReadOnlySpan<ushort> Of(int first, int end) => CollectionsMarshal.AsSpan(shapes)[first..end];

    /// <summary>The recorded shape of a position.</summary>
    public int At(int position) => shapes[position];

    /// <summary>Whether a block was computed in the same shapes, as far as they are recorded.</summary>
    /// <param name="first">Position of the block's first token.</param>
    /// <param name="block">The shapes of its tokens.</param>
    public bool Agrees(int first, ReadOnlySpan<ushort> block)
    {
        int known = Math.Clamp(Count - first, 0, block.Length);
        return known == 0 || Of(first, first + known).SequenceEqual(block[..known]);
    }

    /// <summary>Records what is not recorded of a block's tokens.</summary>
    /// <param name="first">Position of the block's first token.</param>
    /// <param name="block">The shapes of its tokens.</param>
    public void Take(int first, ReadOnlySpan<ushort> block)
    {
        if (first + block.Length > Count) shapes.AddRange(block[(Count - first)..]);
    }

    /// <summary>Records one shape for the positions up to some, as far as they have none.</summary>
    public void Extend(int end, int shape)
    {
        while (Count < end) shapes.Add((ushort)shape);
    }

    /// <summary>The end of the recorded positions from one on that have the same shape.</summary>
    public int EndOfRun(int first)
    {
        int end = first + 1;
        while (end < Count && shapes[end] == shapes[first]) end++;
        return end;
    }
}
