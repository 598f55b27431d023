"""Answers models on standard input with HiGHS or Gurobi, a line of JSON each."""

import json
import os
import sys
import threading
import time

# Whatever a library prints must not get between the answers.
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)

INTEGER_TOLERANCE = 1e-9


def highs():
    import highspy
    import numpy

    solver = highspy.Highs()
    options = [
        ("output_flag", False),
        ("threads", 1),
        ("mip_rel_gap", 0.0),
        ("mip_abs_gap", 0.0),
        ("mip_feasibility_tolerance", INTEGER_TOLERANCE),
    ]
    for name, value in options:
        solver.setOptionValue(name, value)

    def solve(model):
        columns, rows = len(model["cost"]), len(model["row_upper"])
        free = [-highspy.kHighsInf] * (rows - len(model["row_lower"]))
        lp = highspy.HighsLp()
        lp.num_col_, lp.num_row_ = columns, rows
        lp.col_cost_ = numpy.array(model["cost"], dtype=float)
        lp.col_lower_ = numpy.zeros(columns)
        lp.col_upper_ = numpy.array(model["upper"], dtype=float)
        lp.row_lower_ = numpy.array(model["row_lower"] + free, dtype=float)
        lp.row_upper_ = numpy.array(model["row_upper"], dtype=float)
        lp.a_matrix_.format_ = highspy.MatrixFormat.kColwise
        lp.a_matrix_.start_ = numpy.array(model["starts"], dtype=numpy.int32)
        lp.a_matrix_.index_ = numpy.array(model["rows"], dtype=numpy.int32)
        lp.a_matrix_.value_ = numpy.array(model["weights"], dtype=float)
        kinds = [highspy.HighsVarType.kInteger, highspy.HighsVarType.kContinuous]
        lp.integrality_ = kinds * (columns // 2)
        solver.clearSolver()
        solver.setOptionValue("mip_max_nodes", model["nodes"])
        solver.passModel(lp)
        solver.run()
        info, status = solver.getInfo(), solver.getModelStatus()
        return {
            "proven": status == highspy.HighsModelStatus.kOptimal,
            "solution": list(solver.getSolution().col_value) if info.primal_solution_status == 2 else None,
            "bound": min(info.mip_dual_bound, info.objective_function_value),
            "status": str(status),
        }

    return solve


def gurobi():
    import gurobipy

    environment = gurobipy.Env(empty=True)
    options = [
        ("OutputFlag", 0),
        ("Threads", 1),
        ("MIPGap", 0.0),
        ("MIPGapAbs", 0.0),
        ("IntFeasTol", INTEGER_TOLERANCE),
    ]
    for name, value in options:
        environment.setParam(name, value)
    environment.start()

    def solve(given):
        columns = len(given["cost"])
        with gurobipy.Model(env=environment) as model:
            model.Params.NodeLimit = given["nodes"]
            kinds = [gurobipy.GRB.BINARY, gurobipy.GRB.CONTINUOUS] * (columns // 2)
            x = model.addMVar(columns, ub=given["upper"], obj=given["cost"], vtype=kinds).tolist()
            entries = [[] for _ in given["row_upper"]]
            for column in range(columns):
                for at in range(given["starts"][column], given["starts"][column + 1]):
                    entries[given["rows"][at]].append((given["weights"][at], x[column]))
            for row, upper in enumerate(given["row_upper"]):
                total = gurobipy.LinExpr(entries[row])
                model.addLConstr(total, gurobipy.GRB.LESS_EQUAL, upper)
                if row < len(given["row_lower"]):
                    model.addLConstr(total, gurobipy.GRB.GREATER_EQUAL, given["row_lower"][row])
            try:
                model.optimize()
            except gurobipy.GurobiError as error:
                if error.errno == gurobipy.GRB.Error.SIZE_LIMIT_EXCEEDED:
                    return {"too_large": str(error)}
                raise
            found = model.SolCount > 0
            return {
                "proven": model.Status == gurobipy.GRB.OPTIMAL,
                "solution": [one.X for one in x] if found else None,
                "bound": min(model.ObjBound, model.ObjVal) if found else None,
                "status": str(model.Status),
            }

    return solve


def answer(line):
    answers.write(json.dumps(line) + "\n")
    answers.flush()


def end_with(parent):
    """A solve may take for ever: nobody waits for its answer when the parent is gone."""
    while os.getppid() == parent:
        time.sleep(0.2)
    os._exit(0)


threading.Thread(target=end_with, args=(os.getppid(),), daemon=True).start()
try:
    solve = {"highs": highs, "gurobi": gurobi}[sys.argv[1]]()
except ImportError as error:
    answer({"missing": str(error)})
    sys.exit()
except Exception as error:
    answer({"error": str(error)})
    sys.exit()
answer({"ready": True})
for line in sys.stdin:
    try:
        answer(solve(json.loads(line)))
    except Exception as error:
        answer({"error": str(error)})
