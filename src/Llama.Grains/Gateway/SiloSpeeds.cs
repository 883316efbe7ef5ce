using Llama.Grains.Settings;
using Llama.Grains.Stages;
using Llama.Model.Kernels;

namespace Llama.Grains.Gateway;

/// <summary>
/// How fast silos compute, as a plan counts on it: from what each has measured at its start, and once their stages have worked, from the
/// times of these. Measurements are noisy, and equal machines are to have equal parts of a model, so rates a thread that are alike count
/// as the same; and silos of one machine, which started together and measured each other, have rates in common.
/// </summary>
internal static class SiloSpeeds
{
    /// <summary>The highest of some rates that are alike is at most so many times the lowest.</summary>
    public const double Alike = 1.25;

    /// <summary>What a plan counts on, by the silos' names.</summary>
    /// <param name="silos">The silos that are compared.</param>
    /// <param name="layerSeconds">Measured times of a layer, by silo; null when there are none.</param>
    /// <param name="predict">The time of a layer at given rates.</param>
    public static IReadOnlyDictionary<string, MachineRates> Of(
        IReadOnlyList<Member> silos, IReadOnlyDictionary<string, double>? layerSeconds, Func<MachineRates, double> predict)
    {
        MachineRates[] rates = OfMachines(silos);
        if (layerSeconds is not null) Correct(silos, rates, layerSeconds, predict);
        double[] bytes = Even([.. rates.Select((r, i) => r.BytesPerSecond / silos[i].Threads)]);
        double[] operations = Even([.. rates.Select((r, i) => r.OperationsPerSecond / silos[i].Threads)]);
        return silos.Select((silo, i) => (silo, i))
            .ToDictionary(s => s.silo.Name, s => new MachineRates(bytes[s.i] * s.silo.Threads, operations[s.i] * s.silo.Threads));
    }

    /// <summary>A silo's threads at the mean rates of a thread on its machine.</summary>
    private static MachineRates[] OfMachines(IReadOnlyList<Member> silos)
    {
        ILookup<string, Member> machines = silos.ToLookup(Host);
        return
        [
            .. silos.Select(silo => new MachineRates(
                silo.Threads * machines[Host(silo)].Average(other => other.Rates.BytesPerSecond / other.Threads),
                silo.Threads * machines[Host(silo)].Average(other => other.Rates.OperationsPerSecond / other.Threads))),
        ];

        static string Host(Member silo) => HostPort.Parse(silo.Address).Host;
    }

    /// <summary>
    /// The measured times are those of the steps that came, large or small: they tell how silos compare, not how long a token takes. So
    /// the rates of all together stay as they are, and with them those of silos that have no stage.
    /// </summary>
    private static void Correct(
        IReadOnlyList<Member> silos, MachineRates[] rates, IReadOnlyDictionary<string, double> layerSeconds, Func<MachineRates, double> predict)
    {
        double[] faster =
            [.. silos.Select((silo, i) => layerSeconds.TryGetValue(silo.Name, out double seconds) ? predict(rates[i]) / seconds : 0)];
        if (faster.Max() == 0) return;
        double mean = Math.Exp(faster.Where(times => times > 0).Average(Math.Log));
        for (int i = 0; i < rates.Length; i++)
        {
            double times = faster[i] > 0 ? faster[i] / mean : 1;
            rates[i] = new MachineRates(rates[i].BytesPerSecond * times, rates[i].OperationsPerSecond * times);
        }
    }

    /// <summary>Rates, of which those that are alike have become their mean.</summary>
    private static double[] Even(double[] rates)
    {
        double[] even = new double[rates.Length];
        int[] rising = [.. Enumerable.Range(0, rates.Length).OrderBy(i => rates[i])];
        for (int first = 0, end; first < rising.Length; first = end)
        {
            double most = rates[rising[first]] * Alike;
            for (end = first; end < rising.Length && rates[rising[end]] <= most;) end++;
            double mean = rising[first..end].Average(i => rates[i]);
            foreach (int i in rising[first..end]) even[i] = mean;
        }

        return even;
    }
}
