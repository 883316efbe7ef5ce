namespace Llama.Model.Sampling;

/// <summary>
/// Finds the tokens with the largest logits. Equal logits rank by id, smaller first, so the order is total. Keeps its buffers.
/// </summary>
internal sealed unsafe class RankedTokens
{
    private int[] heap = new int[64];

    /// <summary>
    /// The <paramref name="count"/> best tokens, best first; valid until the next call. A bounded heap holds the best seen so far, the
    /// worst of them at its root: most tokens cost one comparison.
    /// </summary>
    /// <param name="logits"><c>[total]</c>.</param>
    /// <param name="total">How many there are.</param>
    /// <param name="count">How many to rank; all where there are fewer.</param>
    public ReadOnlySpan<int> Top(float* logits, int total, int count)
    {
        count = Math.Min(count, total);
        if (heap.Length < count) heap = new int[count];

        for (int i = 0; i < count; i++) heap[i] = i;
        for (int i = (count / 2) - 1; i >= 0; i--) SiftDown(logits, i, count);
        for (int token = count; token < total; token++)
        {
            if (!(logits[token] > logits[heap[0]])) continue;
            heap[0] = token;
            SiftDown(logits, 0, count);
        }

        for (int end = count - 1; end > 0; end--)
        {
            (heap[0], heap[end]) = (heap[end], heap[0]);
            SiftDown(logits, 0, end);
        }

        return heap.AsSpan(0, count);
    }

    private static bool Worse(float* logits, int a, int b) => logits[a] < logits[b] || (logits[a] == logits[b] && a > b);

    private void SiftDown(float* logits, int parent, int count)
    {
        while (true)
        {
            int child = (2 * parent) + 1;
            if (child >= count) return;
            if (child + 1 < count && Worse(logits, heap[child + 1], heap[child])) child++;
            if (!Worse(logits, heap[child], heap[parent])) return;
            (heap[parent], heap[child]) = (heap[child], heap[parent]);
            parent = child;
        }
    }
}
