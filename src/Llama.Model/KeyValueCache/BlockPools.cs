using Llama.Model.Kernels;

namespace Llama.Model.KeyValueCache;

/// <summary>What the pools of keys and values and the logs of hidden states have in common: memory by block number.</summary>
internal static unsafe class BlockPools
{
    /// <summary>
    /// Gives what one pool holds to another. Where the numbers stay, they change places; else blocks are copied, and the memory of the
    /// first is given back, so that pool after pool can be handed over with little more memory than both take.
    /// </summary>
    /// <param name="from">The pool that has the contents.</param>
    /// <param name="to">An empty one.</param>
    /// <param name="blockBytes">Bytes of a block.</param>
    /// <param name="carried">The blocks that go on, in the order of their new numbers; null when the numbers stay as they are.</param>
    public static void HandOver(ref NativeBuffer from, ref NativeBuffer to, long blockBytes, IReadOnlyList<int>? carried)
    {
        if (carried is null)
        {
            (from, to) = (to, from);
            return;
        }

        for (int block = 0; block < carried.Count; block++)
        {
            byte* source = (byte*)from.Pointer + (carried[block] * blockBytes);
            Buffer.MemoryCopy(source, (byte*)to.Pointer + (block * blockBytes), blockBytes, blockBytes);
        }

        from.Dispose();
    }
}
