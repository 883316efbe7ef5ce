using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Llama.Model.Weights.Quantization;

namespace Llama.Model.Kernels;

/// <summary>
/// Inputs of a matrix product rounded to bytes, for weights stored in blocks: as many elements as such a block has share a scale, the
/// greatest magnitude becomes 127. The bytes are there again as pairs of 16-bit integers or in fours, those of four vectors side by side:
/// the forms in which several tokens' inputs meet the weights, levels in fours (<see cref="Quads"/>) and all others in pairs.
/// </summary>
internal sealed unsafe class RoundedInputs : IDisposable
{
    /// <summary>Vectors whose pairs lie side by side.</summary>
    public const int GroupTokens = 4;

    /// <summary>So many are multiplied as a group: what lies in the places of the others may be anything.</summary>
    public const int LeastGroup = 3;

    private const int PartElements = BlockRows.PartElements;

    private readonly NativeBuffer bytes;
    private readonly NativeBuffer words;
    private readonly NativeBuffer pairs;
    private readonly NativeBuffer quads;
    private readonly NativeBuffer ownQuads;
    private readonly NativeBuffer scales;
    private readonly NativeBuffer sums;
    private readonly NativeBuffer halfSums;
    private bool paired;
    private bool quartered;
    private bool quartersEach;

    /// <summary>Makes room.</summary>
    /// <param name="blockElements">Elements that share a scale: 32 or 256.</param>
    /// <param name="tokens">Most vectors.</param>
    /// <param name="columns">Most elements of a vector.</param>
    public RoundedInputs(int blockElements, int tokens, int columns)
    {
        BlockElements = blockElements;
        long elements = (long)tokens * (columns + blockElements);
        bytes = new NativeBuffer(elements / sizeof(float));
        words = new NativeBuffer(elements / 2);
        ownQuads = new NativeBuffer(elements / sizeof(float));

        // The last group may have places that no vector takes.
        long places = (long)(tokens + GroupTokens) * (columns + blockElements);
        pairs = new NativeBuffer(places / 2);
        quads = new NativeBuffer(places / 4);
        scales = new NativeBuffer((places / blockElements) + Lanes.Count);
        sums = new NativeBuffer((places / PartElements) + Lanes.Count);
        halfSums = new NativeBuffer((places / PartElements) + Lanes.Count);
    }

    /// <summary>Elements that share a scale.</summary>
    public int BlockElements { get; }

    /// <summary>Elements of a vector: whole blocks.</summary>
    public int Columns { get; private set; }

    /// <summary>Blocks of a vector.</summary>
    public int Blocks { get; private set; }

    /// <summary>Sets the length of all vectors that follow.</summary>
    /// <param name="columns">A multiple of <see cref="BlockElements"/>.</param>
    /// <param name="tokens">How many vectors: fewer than <see cref="LeastGroup"/> are not laid side by side.</param>
    /// <param name="inPairs">Whether they are wanted in pairs.</param>
    /// <param name="inQuads">Whether they are wanted in fours.</param>
    public void Reset(int columns, int tokens, bool inPairs, bool inQuads)
    {
        Columns = columns;
        Blocks = columns / BlockElements;
        paired = inPairs && tokens >= LeastGroup;
        quartersEach = inQuads;
        quartered = inQuads && tokens >= LeastGroup;
    }

    /// <summary>The bytes of a vector.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public sbyte* Bytes(int token) => (sbyte*)bytes.Pointer + ((long)token * Columns);

    /// <summary>A vector as 16-bit integers.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public short* Words(int token) => (short*)words.Pointer + ((long)token * Columns);

    /// <summary>
    /// The first pair of 16-bit integers of a vector, the one of even index lower; the next pair lies <see cref="GroupTokens"/> pairs further.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int* Pairs(int token)
    {
        int place = token % GroupTokens;
        return (int*)pairs.Pointer + ((long)(token - place) * (Columns / 2)) + place;
    }

    /// <summary>
    /// The first four bytes of a vector; the next four lie <see cref="GroupTokens"/> times as far. Of each 32 elements, four bytes are a pair of the first
    /// half and the pair at the same place of the second: 0, 1, 16, 17, then 2, 3, 18, 19, and so on.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int* Quads(int token)
    {
        int place = token % GroupTokens;
        return (int*)quads.Pointer + ((long)(token - place) * (Columns / 4)) + place;
    }

    /// <summary>The bytes of a vector in the order of <see cref="Quads"/>, alone.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int* OwnQuads(int token) => (int*)ownQuads.Pointer + ((long)token * (Columns / 4));

    /// <summary>The scale of each block of a vector; eight of them may be read together.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public float* Scales(int token) => scales.Pointer + ((long)token * Blocks);

    /// <summary>The sums of every 32 bytes of a vector; eight of them may be read together.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public short* Sums(int token) => (short*)sums.Pointer + ((long)token * (Columns / PartElements));

    /// <summary>The sums of every 32 or 16 bytes of a vector; eight or sixteen of them may be read together.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public short* Sums(int token, int elements) =>
        elements == PartElements ? Sums(token) : (short*)halfSums.Pointer + ((long)token * (Columns / (PartElements / 2)));

    /// <summary>The sums of every 16 bytes of a vector, those of 32 bytes together.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public int* PairsOfSums(int token) => (int*)Sums(token, PartElements / 2);

    /// <summary>Rounds elements of one vector, to nearest, ties to even.</summary>
    /// <param name="token">Its place.</param>
    /// <param name="source">The vector, <see cref="Columns"/> numbers.</param>
    /// <param name="first">First element, a multiple of <see cref="BlockElements"/>.</param>
    /// <param name="end">The one after the last, such a multiple as well.</param>
    public void Round(int token, float* source, int first, int end)
    {
        float* scale = Scales(token) + (first / BlockElements);
        sbyte* byteTarget = Bytes(token);
        short* wordTarget = Words(token);
        int* pairTarget = Pairs(token) + (first / 2 * GroupTokens);
        int* quadTarget = Quads(token) + (first / 4 * GroupTokens), ownQuadTarget = OwnQuads(token);
        short* sumTarget = Sums(token), halfSumTarget = Sums(token, PartElements / 2) + (first / (PartElements / 2));
        for (int done = first; done < end; done += BlockElements, scale++)
        {
            // Magnitudes as integers have the order of the numbers, and what is no number is above all: the scale becomes it, too.
            Vector256<int> greatest = Vector256<int>.Zero;
            for (int i = 0; i < BlockElements; i += Lanes.Count)
                greatest = Vector256.Max(greatest, Vector256.Load(source + done + i).AsInt32() & Vector256.Create(0x7fffffff));
            float magnitude = BitConverter.Int32BitsToSingle(Lanes.Max(greatest));
            *scale = magnitude / 127;

            // The reciprocal of a magnitude below 2^-120 could be infinite: that small, numbers are zero.
            Vector256<float> factor = Vector256.Create(magnitude > 1e-36f ? 127 / magnitude : 0);
            for (int i = 0; i < BlockElements; i += PartElements)
            {
                float* part = source + done + i;
                Vector256<int> i0 = Nearest(Vector256.Load(part) * factor), i1 = Nearest(Vector256.Load(part + 8) * factor);
                Vector256<int> i2 = Nearest(Vector256.Load(part + 16) * factor), i3 = Nearest(Vector256.Load(part + 24) * factor);
                Vector256<short> lower = Vector256.Narrow(i0, i1), upper = Vector256.Narrow(i2, i3);
                Vector256<sbyte> rounded = Vector256.Narrow(lower, upper);
                rounded.Store(byteTarget + done + i);
                lower.Store(wordTarget + done + i);
                upper.Store(wordTarget + done + i + 16);
                int firstSum = Vector256.Sum(i0 + i1), secondSum = Vector256.Sum(i2 + i3);
                sumTarget[(done + i) / PartElements] = (short)(firstSum + secondSum);
                *halfSumTarget++ = (short)firstSum;
                *halfSumTarget++ = (short)secondSum;
                if (paired)
                {
                    Spread(lower.AsInt32(), pairTarget);
                    Spread(upper.AsInt32(), pairTarget + (Lanes.Count * GroupTokens));
                    pairTarget += PartElements / 2 * GroupTokens;
                }

                if (!quartersEach) continue;
                Vector256<int> fours = SmallIntegers.PairHalves(rounded.AsByte()).AsInt32();
                fours.Store(ownQuadTarget + ((done + i) / 4));
                if (!quartered) continue;
                Spread(fours, quadTarget);
                quadTarget += PartElements / 4 * GroupTokens;
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        bytes.Dispose();
        words.Dispose();
        pairs.Dispose();
        quads.Dispose();
        ownQuads.Dispose();
        scales.Dispose();
        sums.Dispose();
        halfSums.Dispose();
    }

    /// <summary>Stores eight integers where one vector of four has its places.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Spread(Vector256<int> integers, int* target)
    {
        Vector128<int> lower = integers.GetLower(), upper = integers.GetUpper();
        for (int i = 0; i < Vector128<int>.Count; i++)
        {
            target[i * GroupTokens] = lower.GetElement(i);
            target[(i + Vector128<int>.Count) * GroupTokens] = upper.GetElement(i);
        }
    }

    /// <summary>
    /// Adding 1.5 × 2^23 leaves the rounded integer in the low bits. Only the lowest byte counts, so that whatever comes of a number that
    /// is none stays within its range.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<int> Nearest(Vector256<float> x)
    {
        Vector256<int> bits = (x + Vector256.Create(12582912f)).AsInt32();
        return Vector256.Max((bits << 24) >> 24, Vector256.Create(-127));
    }
}
