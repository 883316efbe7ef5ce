using Llama.Grains.Silos;

namespace Llama.Grains.Gateway;

/// <summary>Hands out the numbers of plans. They only grow, also when another process plans. Used by one loop.</summary>
internal sealed class Epochs
{
    /// <summary>
    /// A gateway that takes over leaves so many epochs to its predecessor: one that was only cut off from the others, and tries to plan
    /// again, never reaches those of its successor, and the silos refuse it.
    /// </summary>
    private const ulong OfPredecessor = 1 << 16;

    private ulong last;

    /// <summary>The last that was handed out, or must not be; 0 before the first. Any thread may ask.</summary>
    public ulong Last => Volatile.Read(ref last);

    /// <summary>The next epoch: above all that a silo has seen.</summary>
    public ulong Next(SilosView view)
    {
        Volatile.Write(ref last, Math.Max(last, view.Members.Select(silo => silo.LastEpoch).DefaultIfEmpty().Max()) + 1);
        return last;
    }

    /// <summary>Begins above what a predecessor may still hand out.</summary>
    /// <param name="seen">The last epoch that a silo has seen of it; 0 for none.</param>
    public void Succeed(ulong seen)
    {
        if (seen > 0) Volatile.Write(ref last, Math.Max(last, seen + OfPredecessor));
    }
}
