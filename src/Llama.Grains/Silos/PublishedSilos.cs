using Llama.Grains.Hosting;
using Llama.Grains.Stages;

namespace Llama.Grains.Silos;

/// <summary>The present view of the silos, numbered anew with each change.</summary>
internal sealed class PublishedSilos
{
    private readonly Published<SilosView> view = new(SilosView.Empty);

    /// <summary>The present view.</summary>
    public SilosView Now => view.Now;

    /// <summary>Replaces the view, if anything in it is new.</summary>
    /// <param name="members">The silos that are there; ordered by name here.</param>
    /// <param name="faults">What is wrong with others.</param>
    public void Publish(IEnumerable<Member> members, IEnumerable<string> faults)
    {
        Member[] ordered = [.. members.OrderBy(member => member.Name, NaturalOrder.Instance)];
        string[] sentences = [.. faults.Order(StringComparer.Ordinal)];
        view.Update(last => last.Version > 0 && last.Members.SequenceEqual(ordered) && last.Faults.SequenceEqual(sentences)
            ? last
            : new SilosView(last.Version + 1, ordered, sentences));
    }

    /// <inheritdoc cref="ISilos.WaitForChangeAsync"/>
    public Task<SilosView> WaitForChangeAsync(long version, CancellationToken cancellationToken) =>
        view.WaitAsync(now => now.Version > version, cancellationToken);
}
