using Llama.Model;
using Llama.Model.Kernels;
using Llama.Model.Machine;
using Llama.Model.Weights;
using Llama.Tools.GpuCheck;
using Llama.Torch;
using Llama.Torch.Forward;
using Llama.Torch.Native;

// gpu-check [DEVICE [FOLDER [SHAPE]]]: what the Torch backend does on a device, as a table in Markdown.
string device = args.Length > 0 ? args[0] : "cuda:0";
string? libTorch = args.Length > 1 ? args[1] : null;
string shapeName = args.Length > 2 ? args[2] : "8b";
if (args.Length > 3 || !Shapes.ByName.TryGetValue(shapeName, out ModelConfig? shape))
{
    Console.Error.WriteLine(
        $"usage: gpu-check [cuda:0|cpu [FOLDER [{string.Join('|', Shapes.ByName.Keys)}]]]; FOLDER has libtorch, as torch/lib of a PyTorch {LibTorch.Version} installation does");
    return 2;
}

try
{
    LibTorch.Load(AppContext.BaseDirectory, libTorch);
    TorchDevice opened = TorchDevice.Open(device, Environment.ProcessorCount, AppContext.BaseDirectory);
    Place[] profiles = [opened.Place, opened.Place with { RepeatsShapes = true }];
    Console.WriteLine(
        $"{opened.Name}, libtorch {LibTorch.LoadedVersion ?? LibTorch.Version}, passes of {opened.Place.Rows} rows, {opened.Place.Operations.Name}");
    Console.WriteLine();
    Console.WriteLine("| check | result |");
    Console.WriteLine("| --- | --- |");
    bool passed = true;
    await OwnThread.Start("checks", () =>
    {
        opened.Place.EnterThread();
        foreach (Place place in profiles)
        {
            string name = NameOf(place);
            var golden = new FixtureChecks(Path.Combine(AppContext.BaseDirectory, "fixture"), place);
            passed &= Report($"{name}: golden fixture, f32: error ÷ spread, at most 1e-5", golden.Error(ElementType.F32), 1e-5);
            passed &= Report($"{name}: golden fixture, bf16: error ÷ spread, at most 2e-2", golden.Error(ElementType.BF16), 2e-2);
            foreach (ElementType type in (ElementType[])[ElementType.F32, ElementType.BF16])
            {
                bool holds = SelfTest.Holds(shape, place, type, type);
                Console.WriteLine($"| {name}: self-test, {shapeName} widths, {type} | {(holds ? "holds" : "does not hold: no promise")} |");
                bool recovered = golden.RecoversWithTheSameBits(type);
                Console.WriteLine($"| {name}: second of two ranges lost and rebuilt, {type} | {(recovered ? "same bits" : "bits differ")} |");
                passed &= holds && recovered;
            }
        }
    });
    MachineRates rates = await opened.MeasureAsync();
    Console.WriteLine($"| memory | {rates.BytesPerSecond / 1e9:0} GB/s |");
    Console.WriteLine($"| products | {rates.OperationsPerSecond / 1e12:0.0} TFLOP/s |");
    await OwnThread.Start("speed", () =>
    {
        opened.Place.EnterThread();
        foreach (Place place in profiles) Speed.Report(NameOf(place), shapeName, shape, place, rates);
    });
    return passed ? 0 : 1;
}
catch (Exception e) when (e is IOException or System.Runtime.InteropServices.ExternalException)
{
    Console.Error.WriteLine($"gpu-check: {e.Message}");
    return 1;
}

static string NameOf(Place place) => place.RepeatsShapes ? "same steps" : "same bits";

static bool Report(string check, double error, double most)
{
    Console.WriteLine($"| {check} | {error:E1}{(error <= most ? "" : ", too much")} |");
    return error <= most;
}
