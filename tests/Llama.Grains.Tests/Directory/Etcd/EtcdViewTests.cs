using System.Text;
using Llama.Grains.Directory.Etcd;
using Llama.Tests;

namespace Llama.Grains.Tests.Directory.Etcd;

public sealed class EtcdViewTests : IDisposable
{
    private static readonly TimeSpan LeaseTime = TimeSpan.FromSeconds(5);

    private readonly ManualTime time = new();
    private readonly EtcdView view;

    public EtcdViewTests()
    {
        view = new EtcdView("llama/", LeaseTime, time);
        view.Replace([Pair("a"), Pair("b")]);
    }

    private IEnumerable<string> Keys => view.Published.Now.Entries.Keys.Order(StringComparer.Ordinal);

    public void Dispose() => view.Dispose();

    [Fact]
    public void Apply_Events_ChangeTheView()
    {
        view.Apply([new EtcdEvent(null, Pair("c", "new", 7)), new EtcdEvent("DELETE", Pair("a"))]);
        Assert.Equal(["b", "c"], Keys);
        Assert.Equal(("new", 7), (view.Published.Now.Entries["c"].Value, view.Published.Now.Entries["c"].Revision));
        Assert.Equal(2, view.Published.Now.Version);
        view.Apply([]);
        Assert.Equal(2, view.Published.Now.Version);
    }

    [Fact]
    public void Apply_DeletionWhileEtcdAnswers_IsSeenAtOnce()
    {
        for (int second = 0; second < 20; second++)
        {
            time.Advance(TimeSpan.FromSeconds(1));
            view.Heard();
        }

        view.Apply([new EtcdEvent("DELETE", Pair("a"))]);
        Assert.Equal(["b"], Keys);
    }

    [Fact]
    public void Apply_DeletionsAfterASilence_WaitForTheTimeOfALease()
    {
        time.Advance(LeaseTime);
        view.Apply([new EtcdEvent("DELETE", Pair("a")), new EtcdEvent("DELETE", Pair("b"))]);
        Assert.Equal(["a", "b"], Keys);
        time.Advance(LeaseTime / 2);
        view.Apply([new EtcdEvent("PUT", Pair("b", "again"))]);
        time.Advance(LeaseTime / 2);
        Assert.Equal(["b"], Keys);
        Assert.Equal("again", view.Published.Now.Entries["b"].Value);
    }

    [Fact]
    public void Replace_EtcdThatHasLostItsData_WaitsForTheTimeOfALease()
    {
        view.StartGrace();
        view.Replace([Pair("c")]);
        Assert.Equal(["a", "b", "c"], Keys);
        time.Advance(LeaseTime);
        Assert.Equal(["c"], Keys);
        view.Replace([]);
        Assert.Empty(Keys);
    }

    private static EtcdKeyValue Pair(string key, string value = "", long revision = 1) =>
        new(Encoding.UTF8.GetBytes($"llama/{key}"), Encoding.UTF8.GetBytes(value), revision, 1);
}
